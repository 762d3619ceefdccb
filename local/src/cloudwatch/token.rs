//! NextToken: a place in an answer, bound to the request that it belongs to.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::message::{md5_hex, text};

/// Longer ones are not ours.
const LONGEST: usize = 64 * 1024;

/// A token for `place`, valid for requests that say `context`.
pub(super) fn seal<T: Serialize>(place: &T, context: &str) -> String {
    // Places are plain data: they can be written.
    let place = serde_json::to_string(place).unwrap_or_default();
    URL_SAFE_NO_PAD.encode(format!("{} {place}", text(&md5_hex(context.as_bytes()))))
}

/// The place of a token; `None` if it is of another request, or no token.
pub(super) fn open<T: DeserializeOwned>(token: &str, context: &str) -> Option<T> {
    if token.len() > LONGEST {
        return None;
    }
    let sealed = String::from_utf8(URL_SAFE_NO_PAD.decode(token).ok()?).ok()?;
    let (digest, place) = sealed.split_once(' ')?;
    let ours = digest == text(&md5_hex(context.as_bytes()));
    serde_json::from_str(place).ok().filter(|_| ours)
}
