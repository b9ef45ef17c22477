//! Which channel takes a submit: pure.

use shared::clock::Millis;
use shared::store::channels::Channel;
use shared::task::{ChannelId, Platform};

/// Which channels may take a submit now.
#[derive(Debug, PartialEq, Eq)]
pub enum Choice {
    /// These channels may take it, best first.
    Take(Vec<ChannelId>),
    /// All channels that could take it are cooling down; the first is free at this time.
    Cooling(Millis),
    /// No channel that could take it is enabled.
    Nobody,
}

/// Chooses among the channels of `platform` that are enabled and not cooling down at `now`: the highest
/// priority first, and equals in an order drawn by weight. A continuation can only go to the channel
/// `pinned`. For a task that did not arrive before, channels with trouble of late come after all others,
/// and `avoid`, the channel that failed the task, comes last. `chance` draws from 0 up to 1.
pub fn choose(
    channels: &[Channel],
    platform: Platform,
    pinned: Option<ChannelId>,
    avoid: Option<ChannelId>,
    now: Millis,
    mut chance: impl FnMut() -> f64,
) -> Choice {
    let able: Vec<&Channel> = channels
        .iter()
        .filter(|channel| channel.enabled && channel.platform == platform)
        .filter(|channel| pinned.is_none_or(|pinned| pinned == channel.id))
        .collect();
    let Some(first_free) = able.iter().map(|channel| channel.cool_until).min() else {
        return Choice::Nobody;
    };
    let mut free: Vec<(&Channel, f64)> = able
        .into_iter()
        .filter(|channel| channel.cool_until <= now)
        // Sorted by -ln(chance)/weight, the channels are a draw by weight without replacement.
        .map(|channel| {
            let draw = -chance().max(f64::MIN_POSITIVE).ln() / f64::from(channel.weight);
            (channel, draw)
        })
        .collect();
    if free.is_empty() {
        return Choice::Cooling(first_free);
    }
    free.sort_by(|(a, draw_a), (b, draw_b)| {
        let avoided = |channel: &Channel| match avoid {
            None => (false, false),
            Some(avoid) => (avoid == channel.id, channel.cool_count > 0),
        };
        avoided(a)
            .cmp(&avoided(b))
            .then(b.priority.cmp(&a.priority))
            .then(draw_a.total_cmp(draw_b))
    });
    Choice::Take(free.into_iter().map(|(channel, _)| channel.id).collect())
}

#[cfg(test)]
mod tests {
    use shared::random::Random;
    use shared::secret::Secret;
    use shared::store::channels::NewChannel;

    use super::*;

    fn channel(id: i64, priority: i32, weight: u32) -> Channel {
        let (name, key) = (format!("c{id}"), Secret::new(""));
        let new = NewChannel {
            priority,
            weight,
            ..NewChannel::new(&name, Platform::SUNO, String::new(), key)
        };
        new.with_id(ChannelId(id))
    }

    fn chosen(channels: &[Channel], pinned: Option<i64>, avoid: Option<i64>) -> Choice {
        let random = Random::seeded(3);
        choose(
            channels,
            Platform::SUNO,
            pinned.map(ChannelId),
            avoid.map(ChannelId),
            Millis(1000),
            || random.unit(),
        )
    }

    #[test]
    fn the_highest_priority_comes_first() {
        let channels = [channel(1, 0, 100), channel(2, 5, 1), channel(3, 1, 1)];
        let order = vec![ChannelId(2), ChannelId(3), ChannelId(1)];
        assert_eq!(chosen(&channels, None, None), Choice::Take(order));
    }

    #[test]
    fn equals_in_priority_share_by_weight() {
        let channels = [channel(1, 0, 3), channel(2, 0, 1)];
        let random = Random::seeded(9);
        let firsts = (0..4000)
            .filter(|_| {
                let chance = || random.unit();
                let choice = choose(&channels, Platform::SUNO, None, None, Millis(1), chance);
                matches!(choice, Choice::Take(order) if order[0] == ChannelId(1))
            })
            .count();
        assert!(
            (2880..3120).contains(&firsts),
            "{firsts} of 4000, and 3000 is the share"
        );
    }

    #[test]
    fn a_continuation_goes_to_its_channel_or_waits_for_it() {
        let mut channels = [channel(1, 9, 1), channel(2, 0, 1)];
        let its_own = Choice::Take(vec![ChannelId(2)]);
        assert_eq!(chosen(&channels, Some(2), None), its_own);
        channels[1].cool_until = Millis(5000);
        let cooling = Choice::Cooling(Millis(5000));
        assert_eq!(chosen(&channels, Some(2), None), cooling);
        channels[1].enabled = false;
        assert_eq!(chosen(&channels, Some(2), None), Choice::Nobody);
    }

    #[test]
    fn the_channel_that_just_failed_the_task_comes_last() {
        let channels = [channel(1, 9, 1), channel(2, 0, 1)];
        let order = vec![ChannelId(2), ChannelId(1)];
        assert_eq!(chosen(&channels, None, Some(1)), Choice::Take(order));
    }

    #[test]
    fn a_task_that_failed_to_arrive_tries_channels_without_trouble_first() {
        let mut channels = [channel(1, 9, 1), channel(2, 9, 1), channel(3, 0, 1)];
        channels[0].cool_count = 1;
        channels[1].cool_count = 1;
        let order = vec![ChannelId(3), ChannelId(2), ChannelId(1)];
        assert_eq!(chosen(&channels, None, Some(1)), Choice::Take(order));
    }

    #[test]
    fn when_all_cool_down_the_first_to_be_free_says_when() {
        let mut channels = [channel(1, 0, 1), channel(2, 0, 1)];
        channels[0].cool_until = Millis(9000);
        channels[1].cool_until = Millis(4000);
        assert_eq!(chosen(&channels, None, None), Choice::Cooling(Millis(4000)));
    }
}
