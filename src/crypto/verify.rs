//! Verifying what others have signed with a secret: MACs and JSON Web Tokens.

use crate::arena::claim::claim_with;
use crate::arena::{ArenaBytes, ArenaStr};
use crate::bytes::base64url;
use crate::bytes::number::{decode_hex, parse_u64};
use crate::bytes::split::split_once;
use crate::error::no_result;
use crate::json::{self, Bytes, Str, Value};
use crate::text::send;
use crate::{abi, text};

/// Whether two texts are the same. It takes the same time wherever they differ, so an attacker who
/// measures it learns no secret byte by byte; only their length shows.
///
/// ```
/// assert!(flaron_sdk::crypto::equal(b"hunter2", b"hunter2"));
/// assert!(!flaron_sdk::crypto::equal(b"hunter2", b"hunter3"));
/// ```
#[inline(never)] // size: constant-time
pub fn equal(a: &[u8], b: &[u8]) -> bool {
    let mut difference = 0;
    for (a, b) in a.iter().zip(b) {
        difference |= a ^ b;
    }
    a.len() == b.len() && difference == 0
}

/// Checks the HMAC-SHA256 of a text under a secret, such as a webhook's or a signed URL's.
///
/// `mac` is in lowercase hexadecimal, as `X-Hub-Signature-256` has it behind `sha256=`. The host computes
/// the MAC of `input`, which must be UTF-8, and the two are compared in constant time.
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
/// [`VerifyError::BadSignature`] when it is another MAC or none; [`VerifyError::NoKey`] when the host
/// gives none, because the flare may not use the secret or `input` is not UTF-8;
/// [`VerifyError::ArenaFull`].
pub fn verify_hmac(secret_key: &str, input: &[u8], mac: &[u8]) -> Result<(), VerifyError> {
    if equal(&mac_of(secret_key, input)?, mac) {
        Ok(())
    } else {
        Err(VerifyError::BadSignature)
    }
}

/// The HMAC of a text, in lowercase hexadecimal.
fn mac_of(secret_key: &str, input: &[u8]) -> Result<ArenaBytes, VerifyError> {
    let arguments = (
        "{\"secret_key\":",
        Str(secret_key),
        ",\"input\":",
        Bytes(input),
        "}",
    );
    send::call(arguments, abi::crypto_hmac)
        .ok_or_else(|| no_result(VerifyError::ArenaFull, VerifyError::NoKey))
}

/// Checks a JSON Web Token (RFC 7519) that was signed with a secret by HS256, and gives its claims.
///
/// The token must name HS256 as its algorithm, which is looked at before anything else; have no critical
/// extensions; have the right signature, which is compared in constant time; and have the claim `exp`,
/// and perhaps `nbf`, by which it is valid now. Both are whole seconds. Without a clock of the host's no
/// token is valid.
///
/// ```
/// # #[cfg(all(feature = "request", feature = "response"))] {
/// use flaron_sdk::{FlareAction, Status, crypto, request, response};
///
/// fn gate() -> Result<FlareAction, Status> {
///     let token = request::credentials("Bearer").ok_or(Status(401))?;
///     let claims = crypto::verify_jwt("jwt-key", token).map_err(|_| Status(401))?;
///     if let Some(user) = claims.get("sub").and_then(|sub| sub.as_bytes()) {
///         response::set_header_bytes("x-user", user);
///     }
///     Ok(FlareAction::Transform)
/// }
/// # }
/// ```
///
/// # Errors
///
/// [`VerifyError`] tells what is wrong. Tell the client no more than that the token is not valid.
pub fn verify_jwt(secret_key: &str, token: ArenaStr) -> Result<Claims, VerifyError> {
    let mut token = token.into_bytes();
    let (head, rest) = split_once(&token, b'.').ok_or(VerifyError::Malformed)?;
    let (claims, _) = split_once(rest, b'.').ok_or(VerifyError::Malformed)?;
    let (head_len, claims_len) = (head.len(), claims.len());
    let signed_len = head_len + 1 + claims_len;

    check_head(head)?;

    // The host reads the token as it was sent, before it is decoded where it lies.
    let signed = token.get(..signed_len).unwrap_or_default();
    let mut mac = mac_of(secret_key, signed)?;
    let mac_len = decode_hex(mac.as_mut()).ok_or(VerifyError::NoKey)?;
    let signature = token.as_mut().get_mut(signed_len + 1..).unwrap_or_default();
    let signature_len = base64url::decode(signature).ok_or(VerifyError::BadSignature)?;
    let signature = signature.get(..signature_len).unwrap_or_default();
    if !equal(signature, mac.get(..mac_len).unwrap_or_default()) {
        return Err(VerifyError::BadSignature);
    }
    drop(mac);

    let mut claims = token.skip(head_len as u32 + 1).truncate(claims_len as u32);
    let len = base64url::decode(claims.as_mut()).ok_or(VerifyError::Malformed)?;
    let claims = json::flatten_lease(claims.truncate(len as u32));
    let claims = Claims(claims.ok_or(VerifyError::Malformed)?);
    claims.check_time()?;
    Ok(claims)
}

/// Checks what the token says of itself, in a copy.
fn check_head(head: &[u8]) -> Result<(), VerifyError> {
    let mut head = text::build(head)?;
    let len = base64url::decode(&mut head).ok_or(VerifyError::Malformed)?;
    let head = head.get_mut(..len).unwrap_or_default();
    let head = json::parse(head).map_err(|_| VerifyError::Malformed)?;
    let is_hs256 = head.get("alg").is_some_and(|alg| alg == "HS256");
    if is_hs256 && head.get("crit").is_none() {
        Ok(())
    } else {
        Err(VerifyError::BadAlgorithm)
    }
}

/// The claims of a token that [`verify_jwt`] found valid: a lease on them, where they lay in the request.
#[derive(Debug)]
pub struct Claims(ArenaBytes);

impl Claims {
    /// A claim.
    pub fn get(&self, name: &str) -> Option<Value<'_>> {
        self.all().get(name)
    }

    /// All claims: a JSON object.
    pub fn all(&self) -> Value<'_> {
        Value(&self.0)
    }

    /// Checks `exp`, which must be there, and `nbf`.
    fn check_time(&self) -> Result<(), VerifyError> {
        let now = claim_with(abi::timestamp(&b"{\"format\":\"unix\"}"[..]), parse_u64);
        let now = now.ok_or(VerifyError::NoClock)?;
        let exp = self.get("exp").and_then(|exp| exp.as_u64());
        if exp.ok_or(VerifyError::Malformed)? <= now {
            return Err(VerifyError::Expired);
        }
        match self.get("nbf") {
            Some(nbf) if nbf.as_u64().ok_or(VerifyError::Malformed)? > now => {
                Err(VerifyError::NotYetValid)
            }
            _ => Ok(()),
        }
    }
}

/// Why a MAC or a token is not valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum VerifyError {
    /// The token is no JSON Web Token, or its times are missing or no whole numbers.
    Malformed,
    /// The token names another algorithm than HS256, or has critical extensions.
    BadAlgorithm,
    /// The signature is another one.
    BadSignature,
    /// The token is no longer valid: `exp`.
    Expired,
    /// The token is not valid yet: `nbf`.
    NotYetValid,
    /// The host gave no MAC: the flare may not use the secret, or there is none.
    NoKey,
    /// The host gave no time.
    NoClock,
    /// Something does not fit into the free part of the arena.
    ArenaFull,
}

crate::error::messages! {
    VerifyError {
        Malformed: "verify: not a token, or one without exp",
        BadAlgorithm: "verify: the token's algorithm is not HS256",
        BadSignature: "verify: the signature is wrong",
        Expired: "verify: the token has expired",
        NotYetValid: "verify: the token is not valid yet",
        NoKey: "verify: the host gave no MAC; is the secret in allowed_secrets?",
        NoClock: "verify: the host gave no time",
    }
}
