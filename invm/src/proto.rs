//! The wire's types, generated from `proto/daytonah/guest/v1/guest.proto`.
#![allow(clippy::all, clippy::pedantic)]

include!(concat!(env!("OUT_DIR"), "/daytonah.guest.v1.rs"));
