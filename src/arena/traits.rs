//! Traits that are shared by all types that deref into the arena.

/// The impls that bytes and text share. Order and hash are those of the deref's target, so that a value can be
/// looked up and joined as that; and it can be on the right of `==`.
macro_rules! like_borrowed {
    ($type:ident, $borrowed:ty) => {
        impl PartialEq<$type> for $borrowed {
            fn eq(&self, other: &$type) -> bool {
                *other == *self
            }
        }

        impl PartialEq<$type> for &$borrowed {
            fn eq(&self, other: &$type) -> bool {
                *other == **self
            }
        }

        impl PartialOrd for $type {
            fn partial_cmp(&self, other: &$type) -> Option<core::cmp::Ordering> {
                Some(self.cmp(other))
            }
        }

        impl Ord for $type {
            fn cmp(&self, other: &$type) -> core::cmp::Ordering {
                (**self).cmp(&**other)
            }
        }

        impl core::hash::Hash for $type {
            fn hash<H: core::hash::Hasher>(&self, state: &mut H) {
                (**self).hash(state);
            }
        }

        impl core::borrow::Borrow<$borrowed> for $type {
            fn borrow(&self) -> &$borrowed {
                self
            }
        }
    };
}
pub(crate) use like_borrowed;

/// For a type that derefs to `[u8]`.
macro_rules! like_bytes {
    ($type:ident) => {
        impl AsRef<[u8]> for $type {
            fn as_ref(&self) -> &[u8] {
                self
            }
        }

        impl<T: AsRef<[u8]> + ?Sized> PartialEq<T> for $type {
            fn eq(&self, other: &T) -> bool {
                $crate::bytes::split::same(self, other.as_ref())
            }
        }

        impl Eq for $type {}

        crate::arena::traits::like_borrowed!($type, [u8]);
    };
}
pub(crate) use like_bytes;

/// For a type that derefs to `str`; `raw` is the method that gives its bytes as they are.
macro_rules! like_str {
    ($type:ident, $raw:ident) => {
        impl AsRef<str> for $type {
            fn as_ref(&self) -> &str {
                self
            }
        }

        impl AsRef<[u8]> for $type {
            fn as_ref(&self) -> &[u8] {
                self.as_bytes()
            }
        }

        impl core::fmt::Display for $type {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                core::fmt::Display::fmt(&**self, f)
            }
        }

        impl core::fmt::Debug for $type {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                core::fmt::Debug::fmt(&**self, f)
            }
        }

        /// Compares the bytes as they are, without linking the UTF-8 check.
        impl<T: AsRef<str> + ?Sized> PartialEq<T> for $type {
            fn eq(&self, other: &T) -> bool {
                // First the other: it may be this very lease, and its deref may repair the bytes.
                let other = other.as_ref().as_bytes();
                $crate::bytes::split::same(self.$raw(), other)
            }
        }

        impl Eq for $type {}

        crate::arena::traits::like_borrowed!($type, str);
    };
}
pub(crate) use like_str;
