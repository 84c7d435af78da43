//! Nobody without a secret is let in, whatever the body and the header are.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| orderflow_fuzz::verify(data));
