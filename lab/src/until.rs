//! Waiting in tests: ask again and again until there is an answer, at most until a deadline. No test
//! sleeps for a time that somebody guessed.

use std::time::Duration;
use std::time::Instant;

/// Between two questions: short beside what a cluster takes, long beside what a question costs.
const PAUSE: Duration = Duration::from_millis(50);

/// Asks until the answer is `Some`, and gives it.
///
/// # Panics
/// After the deadline, with `what`.
#[track_caller]
pub fn until<T>(what: &str, deadline: Duration, mut ask: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + deadline;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < end, "{what}: not within {} s", deadline.as_secs());
        std::thread::sleep(PAUSE);
    }
}

/// The same for questions that are awaited.
///
/// # Panics
/// After the deadline, with `what`.
pub async fn until_async<T>(what: &str, deadline: Duration, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let end = Instant::now() + deadline;
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(Instant::now() < end, "{what}: not within {} s", deadline.as_secs());
        tokio::time::sleep(PAUSE).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn asks_again_and_gives_the_answer() {
        let mut asked = 0;
        let answer = until("the third question", Duration::from_secs(5), || {
            asked += 1;
            (asked == 3).then_some(asked)
        });
        assert_eq!(answer, 3);
    }

    #[test]
    #[should_panic(expected = "an answer: not within 0 s")]
    fn names_what_never_came() {
        until("an answer", Duration::ZERO, || None::<()>);
    }
}
