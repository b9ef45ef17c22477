#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| claims::fetch_answer(bytes));
