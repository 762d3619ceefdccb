//! The MD5s that SQS answers with, which the SDK does not check.

use md5::{Digest, Md5};
use model::work::ATTRIBUTE;

/// An MD5.
pub(crate) type Md5Sum = [u8; 16];

/// Type of the attribute.
pub(crate) const STRING: &str = "String";

pub(crate) fn of_body(body: &str) -> Md5Sum {
    Md5::digest(body).into()
}

/// Of the one attribute with this value: length and text of name and type, 1 for a string, length and value.
pub(crate) fn of_attribute(value: &str) -> Md5Sum {
    let mut md5 = Md5::new();
    let mut part = |text: &str| {
        md5.update((text.len() as u32).to_be_bytes());
        md5.update(text);
    };
    part(ATTRIBUTE);
    part(STRING);
    md5.update([1]);
    let mut part = |text: &str| {
        md5.update((text.len() as u32).to_be_bytes());
        md5.update(text);
    };
    part(value);
    md5.finalize().into()
}

/// Whether `hex` is how SQS writes `sum`.
pub(crate) fn is(hex: &str, sum: &Md5Sum) -> bool {
    // Computed, not looked up, and compared at once: so the compiler takes all digits together.
    let digit = |nibble: u8| nibble + if nibble < 10 { b'0' } else { b'a' - 10 };
    let digits: [[u8; 2]; 16] = sum.map(|byte| [digit(byte >> 4), digit(byte & 15)]);
    hex.as_bytes() == digits.as_flattened()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_those_of_sqs() {
        assert!(is("5d41402abc4b2a76b9719d911017c592", &of_body("hello")));
        let sum = of_attribute("run=1 seq=0");
        assert!(is("0aae47a3087d39e3d679109e27b76b2d", &sum), "{sum:02x?}");
        for wrong in ["", "5d41402abc4b2a76b9719d911017c59", "5d41402abc4b2a76b9719d911017c593", "é"] {
            assert!(!is(wrong, &of_body("hello")), "{wrong}");
        }
    }
}
