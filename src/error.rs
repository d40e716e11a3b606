//! Errors: the one that all others become, those with codes of the ABI (one enum a module, all alike),
//! and why there is no result.

use core::fmt;

#[cfg(claims)]
use crate::arena::claim::claim;
use crate::arena::{ArenaBytes, ArenaFull, arena_refused};

/// Any error of the SDK. Each of its errors becomes one by `?`, so that a handler that returns
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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Error {
    message: &'static str,
    is_arena_full: bool,
}

impl Error {
    /// An error that says this.
    pub const fn new(message: &'static str) -> Error {
        Error {
            message,
            is_arena_full: false,
        }
    }

    /// What went wrong, and what to do.
    pub const fn message(&self) -> &'static str {
        self.message
    }

    /// Whether something did not fit into the arena.
    pub const fn is_arena_full(&self) -> bool {
        self.is_arena_full
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message)
    }
}

impl core::error::Error for Error {}

impl From<ArenaFull> for Error {
    fn from(_: ArenaFull) -> Error {
        Error {
            message: ArenaFull::MESSAGE,
            is_arena_full: true,
        }
    }
}

#[cfg(any(feature = "beam", feature = "crypto"))]
/// What the variants of an error say, besides `ArenaFull`, which each such error has.
macro_rules! messages {
    ($name:ident { $($variant:ident: $text:literal,)* }) => {
        impl core::fmt::Display for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.write_str($crate::error::Error::from(*self).message())
            }
        }

        impl core::error::Error for $name {}

        impl From<$name> for $crate::error::Error {
            fn from(error: $name) -> $crate::error::Error {
                $crate::error::Error::new(match error {
                    $($name::$variant => $text,)*
                    $name::ArenaFull => return $crate::arena::ArenaFull.into(),
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

/// Takes what a host call returned as a lease, or tells why there is none.
#[cfg(claims)]
#[inline] // size: inline-reason
pub(crate) fn claim_or_error(returned: i64) -> Result<ArenaBytes, Error> {
    claim(returned).ok_or_else(|| {
        no_result(
            Error::from(ArenaFull),
            Error::new("the host gave no answer"),
        )
    })
}

/// Why a host call that returns data returned none: its answer or its argument did not fit, or there is
/// another reason.
#[cfg(claims)]
#[inline(always)] // size: inline-reason
pub(crate) fn no_result<E>(full: E, otherwise: E) -> E {
    if arena_refused() { full } else { otherwise }
}

#[cfg(any(feature = "spark", feature = "plasma", feature = "ws"))]
/// Makes an enum of status codes. Besides the codes given, it has `ArenaFull` (the SDK's own: what
/// was to be sent did not fit into the arena) and `Unknown` (every other code).
macro_rules! codes {
    ($(#[$about:meta])* pub enum $name:ident {
        $($(#[$doc:meta])* $code:literal => $variant:ident: $text:literal,)*
    }) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$doc])* $variant,)*
            /// What was to be sent does not fit into the free part of the arena; nothing was sent.
            ArenaFull,
            /// A code that the ABI does not name.
            Unknown(i32),
        }

        impl $name {
            /// What a status code says: 0 is success.
            #[allow(dead_code, reason = "not every call answers with a plain status")]
            pub(crate) fn check(code: i32) -> Result<(), $name> {
                if code == 0 { Ok(()) } else { Err($name::from_code(code)) }
            }

            /// What a status code says, if what was to be sent did fit.
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
                match self {
                    $($name::$variant => f.write_str($text),)*
                    $name::ArenaFull => core::fmt::Display::fmt(&$crate::arena::ArenaFull, f),
                    $name::Unknown(code) => write!(f, "the host answered with code {code}"),
                }
            }
        }

        impl core::error::Error for $name {}

        impl From<$name> for $crate::error::Error {
            fn from(error: $name) -> $crate::error::Error {
                $crate::error::Error::new(match error {
                    $($name::$variant => $text,)*
                    $name::ArenaFull => return $crate::arena::ArenaFull.into(),
                    $name::Unknown(_) => "the host answered with a code that the ABI does not name",
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
