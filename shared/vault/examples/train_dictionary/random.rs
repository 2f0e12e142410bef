//! Repeatable choices.

/// A small generator (splitmix64): the same seed gives the same mail.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x6d61_696c_6b65_6570)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut value = self.0;
        value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        value ^ (value >> 31)
    }

    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit.max(1)
    }

    pub(crate) fn pick<'a>(&mut self, choices: &[&'a str]) -> &'a str {
        let count = u64::try_from(choices.len()).unwrap_or(1);
        let index = usize::try_from(self.below(count)).unwrap_or(0);
        choices.get(index).copied().unwrap_or_default()
    }

    pub(crate) fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// `count` characters of `alphabet`.
    pub(crate) fn token(&mut self, alphabet: &str, count: usize) -> String {
        let letters: Vec<char> = alphabet.chars().collect();
        let size = u64::try_from(letters.len()).unwrap_or(1);
        (0..count)
            .filter_map(|_| {
                letters
                    .get(usize::try_from(self.below(size)).ok()?)
                    .copied()
            })
            .collect()
    }

    pub(crate) fn hex(&mut self, count: usize) -> String {
        self.token("0123456789abcdef", count)
    }

    pub(crate) fn upper_hex(&mut self, count: usize) -> String {
        self.token("0123456789ABCDEF", count)
    }

    pub(crate) fn base64(&mut self, count: usize) -> String {
        self.token(
            "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
            count,
        )
    }

    pub(crate) fn guid(&mut self) -> String {
        format!(
            "{}-{}-4{}-{}{}-{}",
            self.hex(8),
            self.hex(4),
            self.hex(3),
            self.pick(&["8", "9", "a", "b"]),
            self.hex(3),
            self.hex(12)
        )
    }

    pub(crate) fn time(&mut self) -> String {
        format!(
            "{}, {} {} {} {:02}:{:02}:{:02} +0000",
            self.pick(&["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]),
            1 + self.below(28),
            self.pick(&[
                "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"
            ]),
            2019 + self.below(9),
            self.below(24),
            self.below(60),
            self.below(60)
        )
    }
}
