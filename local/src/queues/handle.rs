//! Receipt handles as texts.

use super::SharedQueue;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use model::time::{Nanos, SECOND};
use platform::sqs::Receipt;

/// What a receipt handle says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Handle {
    /// The receive that it is for.
    pub(crate) receipt: Receipt,
    /// When that was, to the second: visibility ends 12 h later whatever is asked for.
    pub(crate) received_at: Nanos,
}

/// Queue number, receipt, second of the receive.
const BYTES: usize = 4 + 12 + 4;
/// The same in base64.
pub(crate) const DIGITS: usize = (BYTES * 4).div_ceil(3);

impl SharedQueue {
    /// The text of a receipt that was given just now.
    #[must_use]
    pub fn handle(&self, receipt: Receipt) -> String {
        let handle = Handle { receipt, received_at: self.now() };
        String::from_utf8_lossy(&self.encode(handle)).into_owned()
    }

    /// The receipt of a text; `None` if this queue never gave it.
    #[must_use]
    pub fn receipt(&self, handle: &str) -> Option<Receipt> {
        self.decode(handle).map(|handle| handle.receipt)
    }

    /// The text of a handle, in base64.
    pub(crate) fn encode(&self, handle: Handle) -> [u8; DIGITS] {
        let mut bytes = [0; BYTES];
        bytes[..4].copy_from_slice(&self.number.to_be_bytes());
        bytes[4..16].copy_from_slice(&handle.receipt.to_bytes());
        bytes[16..].copy_from_slice(&((handle.received_at / SECOND) as u32).to_be_bytes());
        let mut digits = [0; DIGITS];
        // The digits fit: their number follows from that of the bytes.
        let _ = URL_SAFE_NO_PAD.encode_slice(bytes, &mut digits);
        digits
    }

    /// The handle of a text; `None` if this queue never gave it.
    pub(crate) fn decode(&self, text: &str) -> Option<Handle> {
        let mut bytes = [0; BYTES];
        let length = URL_SAFE_NO_PAD.decode_slice(text, &mut bytes).ok()?;
        let (number, rest) = bytes.split_first_chunk::<4>()?;
        let (receipt, second) = rest.split_first_chunk::<12>()?;
        let ours = length == BYTES && u32::from_be_bytes(*number) == self.number;
        let second = u32::from_be_bytes(second.try_into().ok()?);
        let receipt = Receipt::from_bytes(*receipt);
        ours.then(|| Handle { receipt, received_at: Nanos::from(second) * SECOND })
    }
}
