//! Single messages that only nodes with the cluster's key can create and read.
//!
//! The format is `number of the key (4 bytes) ‖ nonce (12) ‖ AES-256-GCM`, under a key derived for
//! the purpose, with a random nonce: there are few such messages, and 2^32 under one key are safe.
//! A response is bound to its request, whose bytes are the associated data, so neither can be
//! exchanged for another.

use aes_gcm::aead::{Aead as _, KeyInit, Payload};
use aes_gcm::{Aes256Gcm, Nonce};
use zeroize::Zeroizing;

use crate::capability::cluster::ClusterKeys;
use crate::capability::cluster::key::Key;

const NONCE_BYTES: usize = 12;
const HEAD_BYTES: usize = 4 + NONCE_BYTES;

fn cipher(key: &Key, purpose: &str) -> Aes256Gcm {
    let key = Zeroizing::new(blake3::derive_key(purpose, &key.secret[..]));
    Aes256Gcm::new((&*key).into())
}

/// Seals a message for a purpose, bound to `context`. `None` if there is no randomness, or the
/// message is longer than the cipher accepts.
pub(crate) fn seal(
    keys: &ClusterKeys,
    purpose: &str,
    context: &[u8],
    message: &[u8],
) -> Option<Vec<u8>> {
    let key = keys.current();
    let mut nonce = [0; NONCE_BYTES];
    getrandom::fill(&mut nonce).ok()?;
    let payload = Payload {
        msg: message,
        aad: context,
    };
    let sealed = cipher(key, purpose)
        .encrypt(&Nonce::from(nonce), payload)
        .ok()?;
    Some([&key.number[..], &nonce, &sealed].concat())
}

/// Opens what [`seal`] sealed for the same purpose and context.
pub(crate) fn open(
    keys: &ClusterKeys,
    purpose: &str,
    context: &[u8],
    sealed: &[u8],
) -> Option<Vec<u8>> {
    let (head, sealed) = sealed.split_at_checked(HEAD_BYTES)?;
    let (number, nonce) = head.split_first_chunk::<4>()?;
    let nonce: [u8; NONCE_BYTES] = nonce.try_into().ok()?;
    let payload = Payload {
        msg: sealed,
        aad: context,
    };
    cipher(keys.find(*number)?, purpose)
        .decrypt(&Nonce::from(nonce), payload)
        .ok()
}
