//! "Did you mean": the nearest of the known words.

/// The candidate nearest to `word`, ignoring case, if it is near enough to be meant.
///
/// Near enough is a third of the word's length, at least one letter and at most three.
pub(crate) fn nearest<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let word = word.to_ascii_lowercase();
    // A word of this length is no slip of the pen, and the distance costs its square.
    if word.len() > 64 {
        return None;
    }
    let limit = (word.len() / 3).clamp(1, 3);
    candidates
        .into_iter()
        // A difference in length is a distance already, and costs nothing to see.
        .filter(|candidate| candidate.len().abs_diff(word.len()) <= limit)
        .map(|candidate| (distance(&word, &candidate.to_ascii_lowercase()), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// How many letters must be added, dropped or changed to make `a` of `b`.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    // The row of the table for the letters of `a` read so far; `row[j]` is for `b[..j]`.
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, letter_a) in a.chars().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        let mut next = Vec::with_capacity(row.len());
        next.push(left);
        for (letter_b, above) in b.iter().zip(row.iter().skip(1)) {
            let replaced = diagonal + usize::from(letter_a != *letter_b);
            left = replaced.min(left + 1).min(above + 1);
            diagonal = *above;
            next.push(left);
        }
        row = next;
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distance_counts_edits() {
        for (a, b, expected) in
            [("", "abc", 3), ("abc", "", 3), ("abc", "abc", 0), ("abc", "adc", 1), ("ac", "abc", 1)]
        {
            assert_eq!(distance(a, b), expected, "{a} {b}");
        }
    }

    #[test]
    fn only_near_words_are_meant() {
        let words = ["minute", "month", "second"];
        assert_eq!(nearest("minutes", words), Some("minute"));
        assert_eq!(nearest("Mont", words), Some("month"));
        assert_eq!(nearest("fortnight", words), None);
    }
}
