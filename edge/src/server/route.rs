//! Which flare serves a path.

use std::sync::Arc;

use crate::flare::Flare;
use crate::flare::slot::Slot;

/// The slot with the route that covers most of the path.
pub(crate) fn route<'a>(slots: &'a [Arc<Slot>], path: &str) -> Option<(&'a Arc<Slot>, Arc<Flare>)> {
    let mut best = None;
    for slot in slots {
        let flare = slot.current();
        let length = flare
            .routes
            .iter()
            .filter_map(|route| covers(route, path))
            .max();
        if let Some(length) = length
            && best
                .as_ref()
                .is_none_or(|&(longest, _, _)| length > longest)
        {
            best = Some((length, slot, flare));
        }
    }
    best.map(|(_, slot, flare)| (slot, flare))
}

/// How much of a path a route covers: its length, if the path is the route or below it.
fn covers(route: &str, path: &str) -> Option<usize> {
    let prefix = route.trim_end_matches('/');
    let rest = path.strip_prefix(prefix)?;
    (rest.is_empty() || rest.starts_with('/')).then_some(prefix.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes_cover_whole_segments() {
        assert_eq!(covers("/", "/"), Some(0));
        assert_eq!(covers("/", "/a/b"), Some(0));
        assert_eq!(covers("/api", "/api"), Some(4));
        assert_eq!(covers("/api", "/api/x"), Some(4));
        assert_eq!(covers("/api/", "/api/x"), Some(4));
        assert_eq!(covers("/api", "/apix"), None);
        assert_eq!(covers("/api", "/"), None);
        assert_eq!(covers("/", "*"), None);
    }
}
