//! Times between Rust's types and protobuf's.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use prost_types::{Duration as ProtoDuration, Timestamp};

use crate::error::Fault;

pub fn to_proto_duration(duration: Duration) -> ProtoDuration {
    ProtoDuration { seconds: duration.as_secs() as i64, nanos: duration.subsec_nanos() as i32 }
}

/// A duration that is not negative.
pub fn duration_of(field: &'static str, value: &ProtoDuration) -> Result<Duration, Fault> {
    match (u64::try_from(value.seconds), u32::try_from(value.nanos)) {
        (Ok(seconds), Ok(nanos)) if nanos < 1_000_000_000 && value.seconds <= 315_576_000_000 => {
            Ok(Duration::new(seconds, nanos))
        }
        _ => Err(Fault::invalid(
            field,
            format!("a duration of {} s {} ns is out of range", value.seconds, value.nanos),
        )),
    }
}

pub fn to_proto_timestamp(time: SystemTime) -> Timestamp {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp { seconds: since.as_secs() as i64, nanos: since.subsec_nanos() as i32 }
}

/// A time from 1970 on, as time since then.
pub fn since_epoch(field: &'static str, value: &Timestamp) -> Result<Duration, Fault> {
    match (u64::try_from(value.seconds), u32::try_from(value.nanos)) {
        (Ok(seconds), Ok(nanos)) if nanos < 1_000_000_000 && value.seconds <= 253_402_300_799 => {
            Ok(Duration::new(seconds, nanos))
        }
        _ => Err(Fault::invalid(
            field,
            format!("a time of {} s {} ns is out of range", value.seconds, value.nanos),
        )),
    }
}
