//! A request without the secret is never accepted, whatever its body and headers are.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| orderflow_fuzz::verify(data));
