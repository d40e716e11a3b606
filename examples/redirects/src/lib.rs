//! Redirects paths that have moved, and keeps the query.
#![no_std]
#![forbid(unsafe_code)]

use flaron_sdk::{Error, FlareAction, request, response, text};

flaron_sdk::handle_request!(redirect);
flaron_sdk::panic_handler!();

/// The paths that have moved, one per line: the old path and the new one.
const MOVED: &[u8] = b"\
/about-us /about
/about-us/team /team
/blog.php /blog
/blog/archive /blog/all
/careers /jobs
/contact-us /contact
/docs/v1 /docs/v2
/docs/v1/install /docs/v2/getting-started
/docs/v1/api /docs/v2/reference
/download.html /downloads
/faq.html /help
/help/faq /help
/home /
/index.php /
/legal/terms.html /terms
/legal/privacy.html /privacy
/pricing.html /pricing
/shop https://shop.example.com/
/signup https://app.example.com/register
/login https://app.example.com/login";

fn redirect() -> Result<FlareAction, Error> {
    let target = request::target();
    let mut moved = text::split(MOVED, b'\n').filter_map(|line| text::split_once(line, b' '));
    let Some((_, to)) = moved.find(|(from, _)| *from == target.path()) else {
        return Ok(FlareAction::PassThrough);
    };
    response::set_status(301);
    response::set_header_pieces("location", (to, target.search()))?;
    Ok(FlareAction::Respond)
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::string::String;
    use std::vec::Vec;

    use super::*;
    use flaron_sdk::testing::Host;

    fn location(url: &str) -> Option<String> {
        let host = Host::new();
        host.url(url);
        let response = host.run(redirect);
        let location = response.header("location").map(String::from);
        match response.action {
            FlareAction::Respond => assert_eq!(response.status, 301),
            action => assert_eq!((action, &location), (FlareAction::PassThrough, &None)),
        }
        location
    }

    #[test]
    fn moved_pages_redirect_and_keep_the_query() {
        assert_eq!(location("https://a/about-us").as_deref(), Some("/about"));
        assert_eq!(
            location("https://a/docs/v1/api?x=1&y=%20").as_deref(),
            Some("/docs/v2/reference?x=1&y=%20")
        );
        assert_eq!(
            location("https://a/login?next=/a").as_deref(),
            Some("https://app.example.com/login?next=/a")
        );
        for other in [
            "https://a/",
            "https://a/about",
            "https://a/about-us/",
            "https://a/?u=http://x/about-us",
            "https://a/home%2F",
        ] {
            assert_eq!(location(other), None, "{other}");
        }
    }

    #[test]
    fn each_line_of_the_table_has_two_paths() {
        let lines: Vec<_> = text::split(MOVED, b'\n').collect();
        assert_eq!(lines.len(), 20);
        for line in lines {
            let (from, to) = text::split_once(line, b' ').unwrap();
            assert!(from.starts_with(b"/") && !to.is_empty() && !to.contains(&b' '));
        }
    }
}
