//! Tells content that is compressed already (JPEG, ZIP, encrypted files) by a look at a sample.
//!
//! Compressing such content costs as much as compressing anything else and gains nothing.

/// Less is compressed to find out.
const FROM_BYTES: usize = 4 << 10;
/// Sampled at this many places, spread evenly.
const PLACES: usize = 16;
/// So many bytes at each.
const PLACE_BYTES: usize = 1 << 10;
/// How often two bytes of a sample are equal, in per cent of how often they are in random bytes. Below this the
/// best code for single bytes gains less than 2 %.
const MOST_PERCENT: u64 = 115;

/// True when the bytes of `content` look random. What repeats only from afar is missed, and stored as it is.
pub(crate) fn is_dense(content: &[u8]) -> bool {
    if content.len() < FROM_BYTES {
        return false;
    }
    let mut counts = [0_u32; 256];
    if content.len() <= PLACES * PLACE_BYTES {
        count(content, &mut counts);
    } else {
        let step = (content.len() - PLACE_BYTES) / (PLACES - 1);
        for place in 0..PLACES {
            let from = place * step;
            count(
                content.get(from..from + PLACE_BYTES).unwrap_or_default(),
                &mut counts,
            );
        }
    }
    let total: u64 = counts.iter().map(|count| u64::from(*count)).sum();
    let equal_pairs: u64 = counts
        .iter()
        .map(|count| u64::from(*count) * u64::from(count.saturating_sub(1)))
        .sum();
    // Of random bytes each pair is equal once in 256.
    equal_pairs * 256 * 100 < total * total.saturating_sub(1) * MOST_PERCENT
}

fn count(bytes: &[u8], counts: &mut [u32; 256]) {
    for byte in bytes {
        if let Some(count) = counts.get_mut(usize::from(*byte)) {
            *count += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        blake3::Hasher::new().finalize_xof().fill(&mut bytes);
        bytes
    }

    #[test]
    fn random_bytes_are_dense_whatever_their_length() {
        for len in [4_096, 5_000, 16_384, 16_385, 65_536, 1_000_001] {
            assert!(is_dense(&noise(len)), "{len}");
        }
        assert!(!is_dense(&noise(4_095)), "too short to say");
    }

    #[test]
    fn what_can_be_compressed_is_not_dense() {
        let text = b"Dear all, please find the figures attached. ".repeat(400);
        assert!(!is_dense(&text));
        assert!(!is_dense(&[0; 100_000]));
        // 7 of 8 bits are used.
        let seven: Vec<u8> = noise(50_000).iter().map(|byte| byte & 0x7f).collect();
        assert!(!is_dense(&seven));
    }

    #[test]
    fn a_tenth_that_can_be_compressed_is_noticed_wherever_it_is() {
        for at in 0..10 {
            let mut content = noise(400_000);
            content[at * 40_000..][..40_000].fill(b' ');
            assert!(!is_dense(&content), "{at}");
        }
    }
}
