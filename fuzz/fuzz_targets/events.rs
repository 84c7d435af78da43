//! Every signed body yields events, and no event breaks an invariant.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| orderflow_fuzz::events(data));
