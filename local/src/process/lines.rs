//! Lines out of a stream of bytes.

/// Longest line: what is beyond it is dropped. CloudWatch Logs takes events of up to 256 KiB (API reference,
/// PutLogEvents), so a longer one is no worker's log line.
const LONGEST: usize = 256 * 1024;

/// The line that has begun.
#[derive(Debug, Default)]
pub(super) struct Lines {
    held: Vec<u8>,
}

impl Lines {
    /// Takes bytes and gives the lines that they complete.
    pub(super) fn add(&mut self, mut bytes: &[u8], mut each: impl FnMut(String)) {
        while let Some(end) = bytes.iter().position(|&byte| byte == b'\n') {
            self.hold(&bytes[..end]);
            each(self.take());
            bytes = &bytes[end + 1..];
        }
        self.hold(bytes);
    }

    /// The stream has ended: gives a last line that has no end.
    pub(super) fn finish(&mut self, each: impl FnOnce(String)) {
        if !self.held.is_empty() {
            each(self.take());
        }
    }

    fn hold(&mut self, bytes: &[u8]) {
        let room = LONGEST - self.held.len();
        self.held.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    fn take(&mut self) -> String {
        if self.held.last() == Some(&b'\r') {
            self.held.pop();
        }
        let text = String::from_utf8_lossy(&self.held).into_owned();
        self.held.clear();
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(chunks: &[&[u8]]) -> Vec<String> {
        let mut lines = Lines::default();
        let mut all = Vec::new();
        for chunk in chunks {
            lines.add(chunk, |line| all.push(line));
        }
        lines.finish(|line| all.push(line));
        all
    }

    #[test]
    fn lines_are_the_same_however_the_bytes_come() {
        let text = "one\r\n\ntw\u{f6}\nno end".as_bytes();
        let whole = split(&[text]);
        assert_eq!(whole, ["one", "", "tw\u{f6}", "no end"]);
        let bytes: Vec<&[u8]> = text.chunks(1).collect();
        assert_eq!(split(&bytes), whole);
        assert_eq!(split(&[b"a\xff\n"]), ["a\u{fffd}"]);
        assert!(split(&[]).is_empty());
    }

    #[test]
    fn long_lines_are_cut_and_the_next_one_is_whole() {
        let long = vec![b'x'; LONGEST];
        let lines = split(&[&long, &long, b"yy\nshort\n"]);
        assert_eq!(lines.iter().map(String::len).collect::<Vec<_>>(), [LONGEST, 5]);
        assert_eq!(lines[1], "short");
    }
}
