//! What others would see of the same songs: computed from when the upstream made and ended them.

use harness::places::Made;

use super::measured::{Late, Window, seconds};

/// How often the loop looks.
const EVERY: u64 = 15_000;
/// How many of the songs that it has not seen end the loop asks for: the oldest.
const OLDEST: usize = 1_000;

/// Who the loop is.
pub const LOOP: &str = "a loop every 15 s over the 1,000 oldest (computed)";
/// Who looks evenly.
pub const EVENLY: &str = "evenly spread looks, as many (computed)";

/// The ends in the window, as a loop sees them that asks for the oldest songs which it has not seen end. Its calls
/// take no time.
pub fn loop_over_the_oldest(made: &[Made], window: Window) -> Option<Late> {
    let ending = made.iter().filter_map(|one| Some((one.from, one.to?)));
    let mut arriving: Vec<(u64, u64)> = ending.collect();
    arriving.sort_unstable();
    let (mut at, _) = *arriving.first()?;
    let mut arriving = arriving.into_iter().peekable();
    let mut waiting: Vec<(u64, u64)> = Vec::new();
    let mut late = Vec::new();
    while arriving.peek().is_some() || !waiting.is_empty() {
        at += EVERY;
        while let Some(one) = arriving.next_if(|(from, _)| *from <= at) {
            waiting.push(one);
        }
        let mut asked = 0;
        waiting.retain(|(_, to)| {
            asked += 1;
            let has_ended = asked <= OLDEST && *to <= at;
            if has_ended && window.holds(*to) {
                late.push(seconds(at - to));
            }
            !has_ended
        });
    }
    Late::of(late, 0)
}

/// The lateness if each of the songs in flight is looked at as often as any other: a song ends anywhere between two
/// looks.
pub fn evenly_spread(in_flight: f64, ids_a_second: f64, ends: usize) -> Late {
    let gap = in_flight / ids_a_second;
    Late {
        ends,
        never_seen: 0,
        mean: gap / 2.0,
        p50: gap / 2.0,
        p99: gap * 0.99,
        most: gap,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(from: u64, to: u64) -> Made {
        Made {
            task_id: String::new(),
            from,
            to: Some(to),
            owners: Vec::new(),
        }
    }

    const ALWAYS: Window = Window {
        from: 0,
        to: 1_000_000,
    };

    #[test]
    fn the_loop_sees_an_end_at_its_next_look() {
        // It looks at 16 s, 31 s and 46 s.
        let songs = [
            made(1_000, 16_000),
            made(2_000, 16_001),
            made(20_000, 40_000),
        ];
        let late = loop_over_the_oldest(&songs, ALWAYS).expect("songs end");
        assert_eq!((late.ends, late.never_seen), (3, 0));
        assert_eq!(late.most.to_string(), "14.999");
        assert_eq!(late.p50.to_string(), "6");
        let last = Window {
            from: 30_000,
            ..ALWAYS
        };
        let late = loop_over_the_oldest(&songs, last).expect("a song ends");
        assert_eq!((late.ends, late.mean.to_string()), (1, "6".to_owned()));
        assert!(loop_over_the_oldest(&[], ALWAYS).is_none());
    }

    #[test]
    fn the_loop_does_not_see_what_is_younger_than_the_thousand_oldest() {
        let mut songs = vec![made(0, 20_000); OLDEST];
        songs.push(made(1, 10_000));
        let late = loop_over_the_oldest(&songs, ALWAYS).expect("songs end");
        // The others end at 20 s and are seen at 30 s; then it is its turn.
        assert_eq!(late.most.to_string(), "35");
        assert_eq!(late.p50.to_string(), "10");
    }

    #[test]
    fn an_even_look_is_half_a_gap_late() {
        let late = evenly_spread(10_000.0, 500.0, 7);
        assert_eq!((late.mean.to_string(), late.ends), ("10".to_owned(), 7));
    }
}
