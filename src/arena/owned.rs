//! Conversions from a lease to types that own text or bytes, for flares with a heap: each makes a copy.

use crate::arena::lease::ArenaBytes;
#[cfg(lists_keys)]
use crate::arena::part::Key;
use crate::arena::str::ArenaStr;

/// `From` for each of the owning types, both by value and by reference.
macro_rules! into_owned {
    ($type:ident: $borrowed:ty => $($owned:ty),*) => {$(
        impl From<$type> for $owned {
            fn from(lease: $type) -> $owned {
                let borrowed: &$borrowed = &lease;
                <$owned>::from(borrowed)
            }
        }

        impl From<&$type> for $owned {
            fn from(lease: &$type) -> $owned {
                let borrowed: &$borrowed = lease;
                <$owned>::from(borrowed)
            }
        }
    )*};
}

/// For a type that derefs to `str`.
macro_rules! text_into_owned {
    ($type:ident) => {
        $crate::arena::owned::into_owned!(
            $type: str => alloc::string::String, alloc::boxed::Box<str>, alloc::rc::Rc<str>, alloc::sync::Arc<str>
        );

        impl From<$type> for alloc::vec::Vec<u8> {
            fn from(lease: $type) -> alloc::vec::Vec<u8> {
                lease.as_bytes().into()
            }
        }

        impl From<$type> for alloc::borrow::Cow<'_, str> {
            fn from(lease: $type) -> Self {
                alloc::borrow::Cow::Owned(lease.into())
            }
        }

        impl<'a> From<&'a $type> for alloc::borrow::Cow<'a, str> {
            fn from(lease: &'a $type) -> Self {
                alloc::borrow::Cow::Borrowed(lease)
            }
        }

        impl PartialEq<$type> for alloc::string::String {
            fn eq(&self, other: &$type) -> bool {
                *other == **self
            }
        }

        impl PartialEq<$type> for alloc::borrow::Cow<'_, str> {
            fn eq(&self, other: &$type) -> bool {
                *other == **self
            }
        }

        impl PartialEq<$type> for alloc::boxed::Box<str> {
            fn eq(&self, other: &$type) -> bool {
                *other == **self
            }
        }

        impl Extend<$type> for alloc::string::String {
            fn extend<T: IntoIterator<Item = $type>>(&mut self, leases: T) {
                leases.into_iter().for_each(|lease| self.push_str(&lease));
            }
        }

        impl FromIterator<$type> for alloc::string::String {
            fn from_iter<T: IntoIterator<Item = $type>>(leases: T) -> alloc::string::String {
                let mut text = alloc::string::String::new();
                text.extend(leases);
                text
            }
        }
    };
}

/// For a type that derefs to `[u8]`.
macro_rules! bytes_into_owned {
    ($type:ident) => {
        $crate::arena::owned::into_owned!(
            $type: [u8] => alloc::vec::Vec<u8>, alloc::boxed::Box<[u8]>, alloc::rc::Rc<[u8]>, alloc::sync::Arc<[u8]>
        );

        impl From<$type> for alloc::borrow::Cow<'_, [u8]> {
            fn from(lease: $type) -> Self {
                alloc::borrow::Cow::Owned(lease.into())
            }
        }

        impl<'a> From<&'a $type> for alloc::borrow::Cow<'a, [u8]> {
            fn from(lease: &'a $type) -> Self {
                alloc::borrow::Cow::Borrowed(lease)
            }
        }

        impl PartialEq<$type> for alloc::vec::Vec<u8> {
            fn eq(&self, other: &$type) -> bool {
                *other == **self
            }
        }
    };
}
pub(crate) use into_owned;
#[cfg(feature = "secrets")]
pub(crate) use {bytes_into_owned, text_into_owned};

/// The clone is a copy in the arena. Traps when there is no room for it.
impl From<alloc::string::String> for ArenaStr {
    fn from(text: alloc::string::String) -> ArenaStr {
        text.as_str().into()
    }
}

/// The clone is a copy in the arena. Traps when there is no room for it.
impl From<alloc::vec::Vec<u8>> for ArenaBytes {
    fn from(bytes: alloc::vec::Vec<u8>) -> ArenaBytes {
        bytes.as_slice().into()
    }
}

text_into_owned!(ArenaStr);
bytes_into_owned!(ArenaBytes);
#[cfg(lists_keys)]
text_into_owned!(Key);
