//! Redirects what has moved; the query stays.
#![no_std]
#![forbid(unsafe_code)]

use flaron_sdk::{Error, FlareAction, request, response, text};

flaron_sdk::handle_request!(redirect);
flaron_sdk::panic_handler!();

/// What has moved, a line each: from where, to where.
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
