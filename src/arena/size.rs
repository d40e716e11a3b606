//! The size of the arena: a setting at build time.

/// The size of the arena in bytes: 262,144 (256 KiB), or the value of the environment variable
/// `FLARON_ARENA_BYTES` when the SDK is compiled.
///
/// Set it for a flare in its `.cargo/config.toml`:
///
/// ```toml
/// [env]
/// FLARON_ARENA_BYTES = "49152"
/// ```
///
/// It must be a multiple of 8 between 64 and 1,073,741,824; anything else does not compile. A result
/// that does not fit is refused (see [`arena_refused`](crate::arena_refused)), so a flare that reads
/// whole request bodies (up to 10 MiB) needs an arena that is larger than the bodies.
pub const ARENA_BYTES: usize = arena_bytes(option_env!("FLARON_ARENA_BYTES"));

/// The same as the arena's offsets count.
pub(super) const SIZE: u32 = ARENA_BYTES as u32;

pub(super) const fn arena_bytes(setting: Option<&str>) -> usize {
    let Some(digits) = setting else {
        return 256 * 1024;
    };
    let digits = digits.as_bytes();
    // In 64 bits, because in 32 bits the tenfold of what passes the check below wraps around.
    let mut bytes: u64 = 0;
    let mut i = 0;
    while i < digits.len() {
        assert!(
            digits[i].is_ascii_digit() && bytes < 1 << 30,
            "FLARON_ARENA_BYTES is a decimal number of bytes, at most 1073741824"
        );
        bytes = bytes * 10 + (digits[i] - b'0') as u64;
        i += 1;
    }
    assert!(
        bytes >= 64 && bytes <= 1 << 30 && bytes % 8 == 0,
        "FLARON_ARENA_BYTES is a multiple of 8, from 64 to 1073741824"
    );
    bytes as usize
}
