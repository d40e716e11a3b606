//! Functions of the standard library that a small flare seldom means to link: how they are recognised by
//! their names, what calls them, and what to write instead.

/// An idiom that shows in the names of what is linked.
struct Idiom {
    /// Parts of the names of functions.
    functions: &'static [&'static str],
    /// What is written in Rust.
    written: &'static str,
    /// What costs less.
    instead: &'static str,
}

const IDIOMS: &[Idiom] = &[
    Idiom {
        functions: &["TwoWaySearcher"],
        written: "searching a `str` for a `str` (`contains`, `find`, `split` or `split_once` with a text)",
        instead: "`request::target()` and `query()` for URLs; `windows(n)` or `text::split_once` on bytes",
    },
    Idiom {
        functions: &["CharSearcher", "core::str::iter::Split", "memchr"],
        written: "searching a `str` for a `char` (`split('/')`, `find('?')`)",
        instead: "`text::split`, `text::split_once` on bytes",
    },
    Idiom {
        functions: &["slice_error_fail"],
        written: "slicing a `str` by a range (`&text[3..]`)",
        instead: "`strip_prefix`, or `get(3..)` on bytes",
    },
    Idiom {
        functions: &[
            "white_space",
            "MultiCharEq",
            "next_code_point",
            "trim_matches",
        ],
        written: "`trim` of a `str`, which knows all of Unicode's white space",
        instead: "`text::trim` on bytes, or `trim_ascii`",
    },
    Idiom {
        functions: &["core::fmt"],
        written: "`format!`, `write!`, `{:?}`, `to_string`, or the message of a panic",
        instead: "a tuple of pieces (`text::build((\"hits: \", n))`)",
    },
    Idiom {
        functions: &["run_utf8_validation", "from_utf8_lossy"],
        written: "`core::str::from_utf8`",
        instead: "`ArenaStr`, whose check is smaller, or bytes, which need none",
    },
    Idiom {
        functions: &[
            "panic_bounds_check",
            "slice_index_fail",
            "slice_start_index",
            "slice_end_index",
        ],
        written: "an index that might be out of bounds (`bytes[i]`, `bytes[a..b]`)",
        instead: "`get`, `split_first`, `split_at_checked`, `chunks`",
    },
    Idiom {
        functions: &["unwrap_failed", "expect_failed"],
        written: "`unwrap` or `expect`",
        instead: "`?`, `let … else`, `unwrap_or`",
    },
    Idiom {
        functions: &["dec2flt", "flt2dec", "float_to_decimal"],
        written: "reading or writing a float",
        instead: "an integer in a smaller unit",
    },
    Idiom {
        functions: &["dlmalloc"],
        written: "a full heap",
        instead: "the feature `arena-alloc`, or no heap: the SDK needs none",
    },
];

/// What of functions' names comes from an idiom: its functions' number and bytes, what is written for them,
/// and what to write instead. The most bytes come first.
pub(super) fn advice<'a>(functions: impl Iterator<Item = (&'a str, u64)> + Clone) -> Vec<String> {
    let mut found: Vec<(u64, String)> = Vec::new();
    for idiom in IDIOMS {
        let these = functions.clone().filter(|(name, _)| {
            // A function of the SDK may have a type of the standard library in its name.
            idiom.functions.iter().any(|part| name.contains(part)) && !name.contains("flaron_sdk")
        });
        let (count, bytes) =
            these.fold((0, 0), |(count, sum), (_, bytes)| (count + 1, sum + bytes));
        if count > 0 {
            let functions = if count == 1 { "function" } else { "functions" };
            found.push((
                bytes,
                format!(
                    "{bytes} bytes in {count} {functions}: {}\n    instead: {}",
                    idiom.written, idiom.instead
                ),
            ));
        }
    }
    found.sort_by_key(|(bytes, _)| std::cmp::Reverse(*bytes));
    found.into_iter().map(|(_, text)| text).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_costs_most_is_named_first() {
        let linked = [
            ("core::str::slice_error_fail_rt", 496),
            ("<core::str::pattern::TwoWaySearcher>::next", 700),
            ("core::str::pattern::TwoWaySearcher::new", 300),
            ("flaron_sdk::text::build", 100),
            (
                "<flaron_sdk::arena::ArenaStr as core::fmt::Write>::write_str",
                80,
            ),
        ];
        let said = advice(linked.into_iter());
        assert_eq!(said.len(), 2, "{said:?}");
        assert!(said[0].starts_with("1000 bytes in 2 functions: searching a `str` for a `str`"));
        assert!(said[1].starts_with("496 bytes in 1 function: slicing"));
        assert!(advice([("handle_request", 10)].into_iter()).is_empty());
    }
}
