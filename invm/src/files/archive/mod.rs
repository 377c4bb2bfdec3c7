//! write_archive and read_archive: tar streams.

pub mod read;
mod stream;
pub mod write;
