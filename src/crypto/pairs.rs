//! What the claims of a token may be given as.

#[cfg(not(heap))]
use crate::arena::ArenaStr;

/// Claims for [`sign_jwt`](crate::crypto::sign_jwt): names and texts.
///
/// A slice or an array of pairs, `&[("sub", "user-42")]`, also of leases, `&[("sub", &user)]`; no claims at all are
/// `&[("", ""); 0]`. Where there is a heap, whatever gives pairs of texts,
/// such as a `&HashMap<String, String>`, of which the names are written in alphabetical order.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a list of claims",
    label = "claims are a slice of pairs, or a reference to a map (with a heap)"
)]
pub trait JwtClaims {
    /// Calls a function with the claims as a slice.
    fn with<T>(self, call: impl FnOnce(&[(&str, &str)]) -> T) -> T;
}

#[cfg(not(heap))]
impl JwtClaims for &[(&str, &str)] {
    #[inline(always)] // size: inline-step
    fn with<T>(self, call: impl FnOnce(&[(&str, &str)]) -> T) -> T {
        call(self)
    }
}

#[cfg(not(heap))]
impl<const N: usize> JwtClaims for &[(&str, &str); N] {
    #[inline(always)] // size: inline-step
    fn with<T>(self, call: impl FnOnce(&[(&str, &str)]) -> T) -> T {
        call(self)
    }
}

#[cfg(not(heap))]
impl<const N: usize> JwtClaims for [(&str, &str); N] {
    #[inline(always)] // size: inline-step
    fn with<T>(self, call: impl FnOnce(&[(&str, &str)]) -> T) -> T {
        call(&self)
    }
}

#[cfg(not(heap))]
impl<const N: usize> JwtClaims for &[(&str, ArenaStr); N] {
    #[inline(always)] // size: inline-step
    fn with<T>(self, call: impl FnOnce(&[(&str, &str)]) -> T) -> T {
        call(&self.each_ref().map(|(name, text)| (*name, &**text)))
    }
}

#[cfg(not(heap))]
impl<const N: usize> JwtClaims for &[(&str, &ArenaStr); N] {
    #[inline(always)] // size: inline-step
    fn with<T>(self, call: impl FnOnce(&[(&str, &str)]) -> T) -> T {
        call(&self.each_ref().map(|(name, text)| (*name, &***text)))
    }
}

/// What is iterated over is read before anything is written: its code is not the SDK's, and might call the host.
#[cfg(heap)]
impl<I: IntoIterator<Item: Pair>> JwtClaims for I {
    fn with<T>(self, call: impl FnOnce(&[(&str, &str)]) -> T) -> T {
        let pairs: alloc::vec::Vec<I::Item> = self.into_iter().collect();
        let mut texts = alloc::vec::Vec::new();
        for pair in pairs.iter().map(Pair::texts) {
            let place = match I::Item::HAS_PLACE {
                true => texts.len(),
                false => texts.partition_point(|other| *other <= pair),
            };
            texts.insert(place, pair);
        }
        call(&texts)
    }
}

/// A name and a text: what a slice of pairs gives, or a map.
#[cfg(heap)]
pub trait Pair {
    /// Whether it stands where it is on purpose. Those of a map are sorted, so that it gives the same text each
    /// time.
    const HAS_PLACE: bool;

    /// Both.
    fn texts(&self) -> (&str, &str);
}

#[cfg(heap)]
impl<K: AsRef<str>, V: AsRef<str>> Pair for &(K, V) {
    const HAS_PLACE: bool = true;

    fn texts(&self) -> (&str, &str) {
        (self.0.as_ref(), self.1.as_ref())
    }
}

#[cfg(heap)]
impl<K: AsRef<str>, V: AsRef<str>> Pair for (K, V) {
    const HAS_PLACE: bool = false;

    fn texts(&self) -> (&str, &str) {
        (self.0.as_ref(), self.1.as_ref())
    }
}

#[cfg(all(test, heap))]
#[allow(
    clippy::needless_borrows_for_generic_args,
    reason = "by reference is how most are given"
)]
mod tests {
    use super::*;
    use std::collections::{BTreeMap, HashMap};
    use std::string::ToString;
    use std::vec::Vec;

    fn given(claims: impl JwtClaims) -> Vec<[std::string::String; 2]> {
        claims.with(|pairs| {
            let pairs = pairs.iter().map(|(a, b)| [a.to_string(), b.to_string()]);
            pairs.collect()
        })
    }

    #[test]
    fn slices_keep_their_order_and_maps_are_sorted() {
        let pairs = [("sub", "u"), ("iss", "f"), ("aud", "x")];
        let as_given = [["sub", "u"], ["iss", "f"], ["aud", "x"]];
        let sorted = [["aud", "x"], ["iss", "f"], ["sub", "u"]];
        assert_eq!(given(&pairs), as_given);
        assert_eq!(given(&pairs[..]), as_given);
        let owned = pairs.map(|(name, text)| (name.to_string(), text.to_string()));
        assert_eq!(given(&owned), as_given);
        assert_eq!(given(&HashMap::from(owned.clone())), sorted);
        assert_eq!(given(&BTreeMap::from(owned)), sorted);
        assert_eq!(given(HashMap::from(pairs)), sorted);
        assert!(given(&HashMap::<&str, &str>::new()).is_empty());
    }
}
