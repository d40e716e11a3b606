//! Errors: those with codes of the ABI (one enum a module, all alike), and why there is no result.

#[cfg(any(feature = "beam", feature = "crypto"))]
use crate::arena::arena_refused;

/// Why a host call that returns data returned none: its answer or its argument did not fit, or there is
/// another reason.
#[cfg(any(feature = "beam", feature = "crypto"))]
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
    };
}
#[cfg(any(feature = "spark", feature = "plasma", feature = "ws"))]
pub(crate) use codes;
