//! Verifying signatures made with a secret: MACs and JSON Web Tokens.

use crate::abi;
use crate::arena::ArenaStr;
use crate::arena::claim::claim_with;
use crate::bytes::base64url;
use crate::bytes::equal::equal;
use crate::bytes::number::hex_digit;
use crate::bytes::split::{find, same};
use crate::crypto::claims::{self, Claims};
use crate::error::no_result;
use crate::json::Escaped;
use crate::text::piece::backward;
use crate::text::{self, Pieces, send};

/// Checks the HMAC-SHA256 of a text under a secret, such as that of a webhook or a signed URL.
///
/// `mac` is in lowercase hexadecimal, like the part of `X-Hub-Signature-256` that follows `sha256=`. The host
/// computes the MAC of `input`, which must be UTF-8, and the two are compared in constant time.
///
/// ```
/// # #[cfg(feature = "request")] {
/// use flaron_sdk::{Error, FlareAction, crypto, request};
///
/// fn webhook() -> Result<FlareAction, Error> {
///     let signature = request::header("x-hub-signature-256").map(|value| value.into_bytes());
///     let mac = signature.as_deref().and_then(|value| value.strip_prefix(b"sha256="));
///     crypto::verify_hmac("webhook-key", &request::body(), mac.unwrap_or_default())?;
///     Ok(FlareAction::PassThrough)
/// }
/// # }
/// ```
///
/// # Errors
///
/// [`VerifyError::BadSignature`] when `mac` is not the right one; [`VerifyError::NoKey`] when the host returns
/// none, because the flare may not use the secret or `input` is not UTF-8; [`VerifyError::ArenaFull`] when
/// something does not fit into the arena.
pub fn verify_hmac(secret_key: &str, input: &[u8], mac: &[u8]) -> Result<(), VerifyError> {
    verify_hmac_pieces(secret_key, input, mac)
}

/// [`verify_hmac`] of a text that is built from [pieces](crate::text), in the host call's arguments: it is kept
/// nowhere else.
///
/// ```
/// # #[cfg(all(feature = "request", feature = "response"))] {
/// use flaron_sdk::{FlareAction, Status, crypto, request};
///
/// /// `/film?expires=1775559133&sig=…`, where the signature is that of `/film:1775559133`.
/// fn signed_url() -> Result<FlareAction, Status> {
///     let query = request::query();
///     let expires = query.get_bytes("expires").ok_or(Status(403))?;
///     let mac = query.get_bytes("sig").ok_or(Status(403))?;
///     crypto::verify_hmac_pieces("url-key", (query.path(), ":", expires), mac)
///         .map_err(|_| Status(403))?;
///     Ok(FlareAction::PassThrough)
/// }
/// # }
/// ```
///
/// # Errors
///
/// Like [`verify_hmac`].
pub fn verify_hmac_pieces(
    secret_key: &str,
    input: impl Pieces,
    mac: &[u8],
) -> Result<(), VerifyError> {
    let Some(proof) = backward(&input) else {
        // A piece that asks the host cannot be escaped while it is written.
        return verify_hmac_pieces(secret_key, &*text::build(input)?, mac);
    };
    let arguments = (
        "{\"secret_key\":\"",
        Escaped::new(secret_key),
        "\",\"input\":\"",
        Escaped(input, proof),
        "\"}",
    );
    compared(send::send(arguments, abi::crypto_hmac)?, |expected| {
        equal(expected, mac)
    })
}

/// Whether the MAC that the host returned is the right one.
#[inline(always)] // size: inline-small
fn compared(returned: i64, is_right: impl FnOnce(&[u8]) -> bool) -> Result<(), VerifyError> {
    match claim_with(returned, |mac| Some(is_right(mac))) {
        Some(true) => Ok(()),
        Some(false) => Err(VerifyError::BadSignature),
        None => Err(no_result(VerifyError::ArenaFull, VerifyError::NoKey)),
    }
}

/// Checks a JSON Web Token (RFC 7519) that was signed with a secret using HS256, and returns its claims.
///
/// The token must name HS256 as its algorithm, which is checked
/// before anything else, and no critical extensions. The signature must be right; it is compared in constant
/// time. The claim `exp` is required and `nbf` is optional: both are integers in seconds, and the token must be
/// valid now. If the host has no clock, no token is valid.
///
/// ```
/// # #[cfg(all(feature = "request", feature = "response"))] {
/// use flaron_sdk::{FlareAction, Status, crypto, request, response};
///
/// fn gate() -> Result<FlareAction, Status> {
///     let token = request::credentials("Bearer").ok_or(Status(401))?;
///     let claims = crypto::verify_jwt("jwt-key", token).map_err(|_| Status(401))?;
///     if let Some(user) = claims.text_bytes("sub") {
///         response::set_header_bytes("x-user", user);
///     }
///     Ok(FlareAction::Transform)
/// }
/// # }
/// ```
///
/// # Errors
///
/// [`VerifyError`] says what is wrong. Do not tell the client more than that the token is invalid. A `secret_key`
/// with quotes, backslashes or control characters is [`VerifyError::NoKey`].
pub fn verify_jwt(secret_key: &str, token: ArenaStr) -> Result<Claims, VerifyError> {
    let mut token = token.into_bytes();
    let head_len = find(&token, b'.');
    let behind = token.get(head_len + 1..).ok_or(VerifyError::Malformed)?;
    let signed_len = head_len + 1 + find(behind, b'.');
    let signed = token.get(..signed_len).unwrap_or_default();
    // It is written as it is, without escapes: it goes to the host once all of it has been decoded, and so is known
    // to have none of what must be escaped.
    // size: jwt-unescaped
    if !secret_key.bytes().all(is_plain) {
        return Err(VerifyError::NoKey);
    }
    let arguments = (
        "{\"secret_key\":\"",
        secret_key,
        "\",\"input\":\"",
        signed,
        "\"}",
    );
    let arguments = send::build(arguments)?;

    let (signed, signature) = parts(token.as_mut(), signed_len).ok_or(VerifyError::BadSignature)?;
    let (head, claims) = parts(signed, head_len).ok_or(VerifyError::Malformed)?;
    check_head(base64url::decode(head).ok_or(VerifyError::Malformed)?)?;
    let signature = base64url::decode(signature).ok_or(VerifyError::BadSignature)?;
    let claims_len = base64url::decode(claims)
        .ok_or(VerifyError::Malformed)?
        .len();
    compared(abi::crypto_hmac(arguments), |mac| equal_hex(signature, mac))?;

    // All but the claims is made white space, or what ends them.
    let (head, claims) = token
        .as_mut()
        .split_at_mut_checked(head_len + 1)
        .ok_or(VerifyError::Malformed)?;
    head.fill(b' ');
    claims
        .get_mut(claims_len..)
        .unwrap_or_default()
        .fill(claims::END);
    check_time(&token)?;
    Ok(Claims::new(token))
}

/// What is before a place in a text, and what is behind the byte there; `None` if the text does not reach so far.
#[inline(always)] // size: inline-register
fn parts(text: &mut [u8], at: usize) -> Option<(&mut [u8], &mut [u8])> {
    let (before, behind) = text.split_at_mut_checked(at)?;
    Some((before, behind.get_mut(1..)?))
}

/// Whether a byte is in a JSON string as it is.
fn is_plain(byte: u8) -> bool {
    byte >= b' ' && byte != b'"' && byte != b'\\'
}

/// Whether lowercase hexadecimal stands for these bytes; takes the same time wherever they differ.
fn equal_hex(bytes: &[u8], hex: &[u8]) -> bool {
    if hex.len() != 2 * bytes.len() {
        return false;
    }
    let mut difference = 0;
    for (at, digit) in hex.iter().enumerate() {
        let Some(byte) = bytes.get(at / 2) else {
            return false;
        };
        let bits = if at % 2 == 0 { byte >> 4 } else { byte & 15 };
        difference |= digit ^ hex_digit(bits);
    }
    difference == 0
}

/// Checks the token's header.
#[inline] // size: inline-step
fn check_head(head: &[u8]) -> Result<(), VerifyError> {
    let algorithm = claims::text(head, "alg");
    let is_hs256 = algorithm.is_some_and(|algorithm| same(algorithm.get(), b"HS256"));
    if is_hs256 && claims::member(head, "crit").is_none() {
        Ok(())
    } else {
        Err(VerifyError::BadAlgorithm)
    }
}

/// The time in a claim; [`NO_NUMBER`](claims::NO_NUMBER) if it is not a time, and `missing` if there is no such claim.
#[inline(never)] // size: in-a-register
fn time(json: &[u8], name: &str, missing: u64) -> u64 {
    match claims::member(json, name) {
        Some(time) => claims::number(time.get()),
        None => missing,
    }
}

/// Checks `exp`, which is required, and `nbf`.
fn check_time(json: &[u8]) -> Result<(), VerifyError> {
    let now = claim_with(abi::timestamp(&b"{\"format\":\"unix\"}"[..]), |now| {
        Some(claims::number(now))
    });
    let now = now.unwrap_or(claims::NO_NUMBER);
    if now == claims::NO_NUMBER {
        return Err(VerifyError::NoClock);
    }
    let exp = time(json, "exp", claims::NO_NUMBER);
    let nbf = time(json, "nbf", 0);
    if exp == claims::NO_NUMBER || nbf == claims::NO_NUMBER {
        return Err(VerifyError::Malformed);
    }
    if exp <= now {
        return Err(VerifyError::Expired);
    }
    if nbf > now {
        return Err(VerifyError::NotYetValid);
    }
    Ok(())
}

/// Why a MAC or a token is not valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum VerifyError {
    /// The token is not a JSON Web Token, or has no `exp`, or one of its times is not an integer.
    Malformed,
    /// The token names an algorithm other than HS256, or has critical extensions.
    BadAlgorithm,
    /// The signature is wrong.
    BadSignature,
    /// The token has expired (`exp`).
    Expired,
    /// The token is not valid yet (`nbf`).
    NotYetValid,
    /// The host returned no MAC: the flare may not use the secret, or it does not exist.
    NoKey,
    /// The host returned no time.
    NoClock,
    /// Something does not fit into the free part of the arena.
    ArenaFull,
}

crate::error::messages! {
    VerifyError {
        Malformed: VerifyMalformed,
        BadAlgorithm: VerifyBadAlgorithm,
        BadSignature: VerifyBadSignature,
        Expired: VerifyExpired,
        NotYetValid: VerifyNotYetValid,
        NoKey: VerifyNoKey,
        NoClock: VerifyNoClock,
    }
}
