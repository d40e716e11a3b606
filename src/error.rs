//! Errors: the one that all others convert into, the enums of the ABI's status codes (one per module, all of
//! the same shape), and the reasons for a missing result.

use core::fmt;

use crate::arena::ArenaFull;
#[cfg(any(bare, feature = "beam", feature = "crypto"))]
use crate::arena::arena_refused;
#[cfg(bare)]
use crate::arena::{ArenaBytes, claim::claim};

/// Any error of the SDK. `?` converts every other error of the SDK into it, so a handler that returns
/// `Result<FlareAction, Error>` needs no `map_err`:
///
/// ```
/// # #[cfg(all(feature = "spark", feature = "response"))] {
/// use flaron_sdk::{Error, FlareAction, response, spark};
///
/// fn save() -> Result<FlareAction, Error> {
///     spark::set("greeting", b"hello", 3600)?;
///     response::set_body_pieces(("saved ", 5_u8, " bytes"))?;
///     Ok(FlareAction::Respond)
/// }
/// # }
/// ```
///
/// An `Err` from a handler is a trap. To answer with a status instead, return
/// [`Status`](crate::Status).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Error(Kind);

impl Error {
    /// An error of this kind.
    #[inline(always)] // size: error-number
    pub(crate) const fn new(kind: Kind) -> Error {
        Error(kind)
    }

    /// What went wrong, and what to do about it.
    pub const fn message(&self) -> &'static str {
        self.0.message()
    }

    /// Whether something did not fit into the arena.
    pub const fn is_arena_full(&self) -> bool {
        matches!(self.0, Kind::ArenaFull)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Error").field(&self.message()).finish()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message())
    }
}

impl core::error::Error for Error {}

impl From<ArenaFull> for Error {
    fn from(_: ArenaFull) -> Error {
        Error(Kind::ArenaFull)
    }
}

/// The kinds of errors, each with its message: all messages of the SDK's errors are here.
///
/// Messages of errors that the published crate has as well begin with that crate's words.
macro_rules! kinds {
    ($($kind:ident $(= $first:literal)?: $message:literal,)*) => {
        #[allow(dead_code, reason = "a flare only uses the kinds of the modules that it enables")]
        #[derive(Clone, Copy, PartialEq, Eq)]
        #[repr(u32)] // size: error-number
        pub(crate) enum Kind {
            $($kind $(= $first)?,)*
        }

        impl Kind {
            const fn message(self) -> &'static str {
                match self {
                    $(Kind::$kind => $message,)*
                }
            }
        }
    };
}
kinds! {
    ArenaFull = 1: "the arena is full: drop leases, or set a larger FLARON_ARENA_BYTES",
    TextFull: "the text does not fit into its buffer",
    NotJson: "not JSON, or nested deeper than 31 levels",
    NoAnswer: "the host gave no answer",
    NoTime: "time: the host gave no time",
    SparkInvalidTtl: "spark: invalid TTL: it is out of the host's range",
    SparkTooLarge: "spark: value too large: it is over max_kv_value_bytes",
    SparkWriteLimit: "spark: write limit exceeded: this invocation may write no more",
    SparkQuotaExceeded: "spark: disk quota exceeded: delete keys of this site",
    SparkNotAvailable: "spark: not available on this node",
    SparkInternal: "spark: internal error of the host: its log says more",
    SparkReadLimit: "spark: read limit exceeded: this invocation may read no more",
    SparkBadKey: "spark: invalid key: 1 to 256 of a-z A-Z 0-9 : . _ -, and no reserved prefix",
    SparkNoCapability: "spark: no capability: set writes_spark_kv in the flare's configuration",
    SparkUnknown: "spark: unknown error code",
    SparkPullWriteLimit: "spark pull: rate limited: this invocation has pulled already",
    SparkPullNotAvailable: "spark pull: not available on this node",
    SparkPullInternal: "spark pull: internal error of the host: its log says more",
    SparkPullBadKey: "spark pull: invalid key or origin",
    SparkPullNoCapability: "spark pull: no capability: set writes_spark_kv in the flare's configuration",
    SparkPullUnknown: "spark pull: unknown error code",
    PlasmaNotAvailable: "plasma: not available on this node",
    PlasmaWriteLimit: "plasma: write limit exceeded: this invocation may write no more",
    PlasmaTooLarge: "plasma: value too large: it is over max_kv_value_bytes",
    PlasmaBadKey: "plasma: invalid key: 1 to 256 of a-z A-Z 0-9 : . _ -, and no reserved prefix",
    PlasmaNoCapability: "plasma: no capability: set writes_plasma_kv in the flare's configuration",
    PlasmaInternal: "plasma: internal error of the host: its log says more",
    PlasmaUnknown: "plasma: unknown error code",
    WsSendLimitReached: "ws send: per-invocation rate limit reached: this event may send no more",
    WsMessageTooLarge: "ws send: message too large",
    WsSendError: "ws send: write failed: the client may be gone",
    WsUnknown: "ws send: unknown error code",
    BeamNoResponse: "beam: no response from host: the limit of fetches, a timeout, or no way there",
    BeamSerializeFailed: "beam: serialise options: more than 8 headers; with_headers takes any number",
    BeamDeserializeFailed: "beam: deserialise response: it is not what the ABI says",
    CryptoNoResult: "crypto: host returned no result: is the secret in allowed_secrets?",
    CryptoBadBase64: "crypto: invalid base64 ciphertext",
    RandomBytesNoData: "random_bytes: host returned no data",
    RandomBytesBadHex: "random_bytes: host returned malformed hex",
    VerifyMalformed: "verify: not a token, or one without exp",
    VerifyBadAlgorithm: "verify: the token's algorithm is not HS256",
    VerifyBadSignature: "verify: the signature is wrong",
    VerifyExpired: "verify: the token has expired",
    VerifyNotYetValid: "verify: the token is not valid yet",
    VerifyNoKey: "verify: the host gave no MAC; is the secret in allowed_secrets?",
    VerifyNoClock: "verify: the host gave no time",
}

#[cfg(any(feature = "beam", feature = "crypto"))]
/// The messages of an error's variants, apart from `ArenaFull`, which each of these errors has.
macro_rules! messages {
    ($name:ident { $($variant:ident: $kind:ident,)* }) => {
        impl core::fmt::Display for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.write_str($crate::error::Error::from(*self).message())
            }
        }

        impl core::error::Error for $name {}

        impl From<$name> for $crate::error::Error {
            fn from(error: $name) -> $crate::error::Error {
                use $crate::error::Kind;
                $crate::error::Error::new(match error {
                    $($name::$variant => Kind::$kind,)*
                    $name::ArenaFull => Kind::ArenaFull,
                })
            }
        }

        impl From<$crate::arena::ArenaFull> for $name {
            fn from(_: $crate::arena::ArenaFull) -> $name {
                $name::ArenaFull
            }
        }
    };
}
#[cfg(any(feature = "beam", feature = "crypto"))]
pub(crate) use messages;

/// A lease on what a host call returned, or the reason why there is none.
#[cfg(bare)]
#[inline] // size: inline-reason
pub(crate) fn claim_or_error(returned: i64) -> Result<ArenaBytes, Error> {
    claim(returned).ok_or_else(|| no_result(Error(Kind::ArenaFull), Error(Kind::NoAnswer)))
}

/// Why a host call that returns data returned none: `full` if its answer or its argument did not fit, otherwise
/// `otherwise`.
#[cfg(any(bare, feature = "beam", feature = "crypto"))]
#[inline(always)] // size: inline-reason
pub(crate) fn no_result<E>(full: E, otherwise: E) -> E {
    if arena_refused() { full } else { otherwise }
}

#[cfg(any(feature = "spark", feature = "plasma", feature = "ws"))]
/// Makes an enum of status codes. Besides the codes given, it has `ArenaFull` (the SDK's own: the data to be
/// sent did not fit into the arena) and `Unknown` (every other code).
macro_rules! codes {
    ($(#[$about:meta])* pub enum $name:ident or $unknown:ident {
        $($(#[$doc:meta])* $code:literal => $variant:ident: $kind:ident,)*
    }) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$doc])* $variant,)*
            /// The data to be sent does not fit into the free part of the arena; nothing was sent.
            ArenaFull,
            /// A code that the ABI does not name.
            Unknown(i32),
        }

        impl $name {
            /// The result that a status code stands for: 0 is success.
            #[allow(dead_code, reason = "not every call answers with a plain status")]
            pub(crate) fn check(code: i32) -> Result<(), $name> {
                if code == 0 { Ok(()) } else { Err($name::from_code(code)) }
            }

            /// The result of sending: that of the status code, or `ArenaFull` if the data did not fit.
            #[allow(dead_code, reason = "not every module sends pieces")]
            pub(crate) fn sent(code: Result<i32, $crate::arena::ArenaFull>) -> Result<(), $name> {
                match code {
                    Ok(code) => $name::check(code),
                    Err($crate::arena::ArenaFull) => Err($name::ArenaFull),
                }
            }

            /// The error of a code that is not 0.
            pub(crate) fn from_code(code: i32) -> $name {
                match code {
                    $($code => $name::$variant,)*
                    other => $name::Unknown(other),
                }
            }
        }

        impl core::fmt::Display for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.write_str($crate::error::Error::from(*self).message())?;
                match self {
                    $name::Unknown(code) => write!(f, " {code}"),
                    _ => Ok(()),
                }
            }
        }

        impl core::error::Error for $name {}

        impl From<$name> for $crate::error::Error {
            fn from(error: $name) -> $crate::error::Error {
                use $crate::error::Kind;
                $crate::error::Error::new(match error {
                    $($name::$variant => Kind::$kind,)*
                    $name::ArenaFull => Kind::ArenaFull,
                    $name::Unknown(_) => Kind::$unknown,
                })
            }
        }

        impl From<$crate::arena::ArenaFull> for $name {
            fn from(_: $crate::arena::ArenaFull) -> $name {
                $name::ArenaFull
            }
        }
    };
}
#[cfg(any(feature = "spark", feature = "plasma", feature = "ws"))]
pub(crate) use codes;

#[cfg(test)]
mod tests;
