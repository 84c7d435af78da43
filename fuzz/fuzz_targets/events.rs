//! What is signed is told, whatever it is, and nothing is told that must not be.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| orderflow_fuzz::events(data));
