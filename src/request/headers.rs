//! Headers whose values have a structure of their own.

use crate::abi;
use crate::arena::claim::{claim, claim_part, claim_with, part_for_call};
use crate::arena::excerpt::Excerpt;
use crate::arena::{ArenaBytes, ArenaStr};
use crate::bytes::split::{eq_ignore_case, find, first_element, same};

/// The value of a cookie. If several have this name, the first one counts.
///
/// `None` if the request has no such cookie, or if its cookies do not fit into the arena. The value is
/// returned as it was sent, including quotes if there are any. Needs `requires_raw_auth` in the flare's
/// configuration.
///
/// ```
/// # #[cfg(feature = "testing")] {
/// use flaron_sdk::request;
/// # let host = flaron_sdk::testing::Host::new();
/// # host.requires_raw_auth(true).header("cookie", "theme=dark; lang=de");
///
/// let theme = request::cookie("theme");
/// assert!(theme.is_some_and(|theme| theme == "dark"));
/// # }
/// ```
pub fn cookie(name: &str) -> Option<ArenaStr> {
    let cookie = claim_part(abi::req_header_get(&b"cookie"[..]), |mut cookies| {
        loop {
            let end = find(&cookies, b';');
            let (pair, behind) = cookies.split_at(end)?;
            let pair = pair.trim_start();
            if pair.get(name.len()) == Some(&b'=') && same(pair.get(..name.len())?, name.as_bytes())
            {
                return Some(pair.part(name.len() + 1..)?.trim_end());
            }
            cookies = behind.part(1..)?;
        }
    });
    cookie.map(ArenaBytes::into_text)
}

/// The credentials that follow a scheme in `Authorization`: of `Authorization: Bearer TOKEN`, the token.
///
/// The case of `scheme` does not matter. `None` if there is no such header, if it has another scheme, or if
/// it does not fit into the arena. Needs `requires_raw_auth` in the flare's configuration.
///
/// ```
/// # #[cfg(feature = "testing")] {
/// use flaron_sdk::request;
/// # let host = flaron_sdk::testing::Host::new();
/// # host.requires_raw_auth(true).header("authorization", "bearer abc.def");
///
/// let token = request::credentials("Bearer");
/// assert!(token.is_some_and(|token| token == "abc.def"));
/// # }
/// ```
pub fn credentials(scheme: &str) -> Option<ArenaStr> {
    let header = abi::req_header_get(&b"authorization"[..]);
    let credentials = claim_part(header, |header| behind_scheme(header, scheme));
    credentials.map(ArenaBytes::into_text)
}

/// What follows the scheme in an `Authorization`. The case of `scheme` does not matter.
#[inline] // size: inline-once
fn behind_scheme<'a>(header: Excerpt<'a>, scheme: &str) -> Option<Excerpt<'a>> {
    let (found, behind) = header.split_at(scheme.len())?;
    let len = behind.len();
    let credentials = behind.trim_start();
    if credentials.len() == len || !eq_ignore_case(&found, scheme.as_bytes()) {
        return None;
    }
    Some(credentials)
}

/// Name and password from `Authorization: Basic …`, decoded by the host: `name:password`.
///
/// `None` if the header is missing, has another scheme, is malformed, or does not fit into the arena. Needs
/// `requires_raw_auth` in the flare's configuration.
///
/// Compare it with [`crypto::equal`](crate::crypto::equal), which takes as long for a wrong password as
/// for one that is nearly right. The name ends at the first colon, where
/// [`text::split_once`](crate::text::split_once) splits it.
pub fn basic_credentials() -> Option<ArenaBytes> {
    let header = abi::req_header_get(&b"authorization"[..]);
    let credentials = part_for_call(header, |header| behind_scheme(header, "Basic"))?;
    // size: unkept-arguments
    claim(abi::encoding_base64_decode(credentials))
}

/// The first element of a header that is a list, such as the client's address in `X-Forwarded-For`.
///
/// `None` if the request has no such header, if the first element is empty, or if the header does not
/// fit into the arena. Anybody can send such a header: trust it only as far as the proxy that sets it.
pub fn first_of(name: &str) -> Option<ArenaStr> {
    let first = claim_part(abi::req_header_get(name.as_bytes()), |header| {
        let end = first_element(&header);
        if end == 0 {
            return None;
        }
        header.part(..end)
    });
    first.map(ArenaBytes::into_text)
}

/// Whether `If-None-Match` names this entity tag, so that the answer is a 304 without a body.
///
/// `tag` is written as in the header `ETag`, with its quotes: `"33a64df5"` or `W/"33a64df5"`. The comparison
/// is the weak one, as RFC 9110 asks for this header: `W/` is ignored on either side. `*` matches every tag.
/// `false` if there is no such header, or if it does not fit into the arena.
///
/// A tag needs at least one character other than commas and `W/`: `","` would be found between any two others.
pub fn matches_etag(tag: &str) -> bool {
    let tag = strong(tag.as_bytes());
    let header = abi::req_header_get(&b"if-none-match"[..]);
    claim_with(header, |header| names_tag(header, tag).then_some(())).is_some()
}

/// Whether a list of entity tags contains this one, or is `*`. A tag begins and ends with a quote and has
/// none in between, so it can be searched for anywhere in the list.
fn names_tag(mut list: &[u8], tag: &[u8]) -> bool {
    if list == b"*" {
        return true;
    }
    while let Some(part) = list.get(..tag.len()) {
        if same(part, tag) {
            return true;
        }
        list = list.get(1..).unwrap_or_default();
    }
    false
}

/// A tag without the `W/` of a weak one.
fn strong(tag: &[u8]) -> &[u8] {
    tag.strip_prefix(b"W/").unwrap_or(tag)
}
