//! Any bytes as a file of this format.
#![no_main]

#[path = "../judge.rs"]
mod judge;

use perjury_checker::formats::Format;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    judge::judge(bytes, Some(Format::KvLog));
});
