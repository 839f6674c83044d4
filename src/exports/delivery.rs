//! From the database to a client who may be slow, or gone without a word.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use actix_web::web::Bytes;
use futures_util::{Stream, StreamExt};
use tokio::sync::mpsc::channel;
use tokio_stream::wrappers::ReceiverStream;

use super::store::Download;

/// How long a client may take over one piece of a download (some 64 KiB).
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Why a download ends before its end.
#[derive(Debug, thiserror::Error)]
#[error("the export broke off")]
pub struct BrokenOff;

/// Passes a download on. A client that takes nothing for as long as `patience` loses it: its connection to the database
/// and `turn` are another's then.
pub fn to_client(
    mut download: Download,
    turn: impl Send + 'static,
    patience: Duration,
) -> impl Stream<Item = Result<Bytes, BrokenOff>> {
    let (pieces, taken) = channel(1);
    let whole = Arc::new(AtomicBool::new(false));
    let is_whole = whole.clone();
    tokio::spawn(async move {
        let _turn = turn;
        while let Some(piece) = download.next().await {
            let piece = piece.inspect_err(|error| tracing::warn!(%error, "an export broke off"));
            let failed = piece.is_err();
            if pieces.send_timeout(piece.map_err(|_| BrokenOff), patience).await.is_err() || failed {
                return;
            }
        }
        whole.store(true, Ordering::Release);
    });
    // What ends here without an error looks complete to the client.
    let end = move || std::future::ready((!is_whole.load(Ordering::Acquire)).then_some(Err(BrokenOff)));
    ReceiverStream::new(taken)
        .chain(futures_util::stream::once(std::future::ready(())).filter_map(move |()| end()))
}

#[cfg(test)]
mod tests {
    use futures_util::stream;

    use super::*;
    use crate::db::DbError;

    fn piece() -> Bytes {
        Bytes::from_static(b"piece")
    }

    #[tokio::test]
    async fn who_takes_all_gets_all() {
        let download = stream::iter([Ok(piece()), Ok(piece()), Ok(piece())]).boxed();
        let got: Vec<_> = to_client(download, (), PATIENCE).collect().await;
        assert_eq!(got.into_iter().map(Result::unwrap).collect::<Vec<_>>(), [piece(), piece(), piece()]);
    }

    #[tokio::test]
    async fn who_takes_nothing_gives_the_turn_back_and_is_told_that_it_is_not_whole() {
        let turn = Arc::new(());
        let download = stream::repeat_with(|| Ok(piece())).boxed();
        let mut slow = Box::pin(to_client(download, turn.clone(), Duration::from_millis(20)));
        assert!(slow.next().await.unwrap().is_ok());
        while Arc::strong_count(&turn) > 1 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert!(slow.collect::<Vec<_>>().await.last().unwrap().is_err());
    }

    #[tokio::test]
    async fn a_fault_on_the_way_ends_it() {
        let download =
            stream::iter([Ok(piece()), Err(DbError::Unavailable("gone".into())), Ok(piece())]).boxed();
        let got: Vec<_> = to_client(download, (), PATIENCE).collect().await;
        assert_eq!(got.iter().map(Result::is_ok).take(2).collect::<Vec<_>>(), [true, false]);
        assert!(got.last().unwrap().is_err());
    }
}
