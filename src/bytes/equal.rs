//! Comparing what nobody may learn byte by byte.

/// Whether two texts are the same. It takes the same time wherever they differ, so an attacker who
/// measures it learns no secret byte by byte; only their length shows.
///
/// ```
/// # #[cfg(feature = "crypto")] {
/// assert!(flaron_sdk::crypto::equal(b"hunter2", b"hunter2"));
/// assert!(!flaron_sdk::crypto::equal(b"hunter2", b"hunter3"));
/// # }
/// ```
#[inline(never)] // size: constant-time
#[cfg_attr(
    not(feature = "crypto"),
    allow(unreachable_pub, reason = "it is public in `crypto`")
)]
pub fn equal(a: &[u8], b: &[u8]) -> bool {
    let mut difference = 0_u32; // size: byte-in-32-bits
    for (a, b) in a.iter().zip(b) {
        difference |= u32::from(a ^ b);
    }
    a.len() == b.len() && difference == 0
}
