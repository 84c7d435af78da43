//! A secret of AWS Secrets Manager that may change while the program runs.
//!
//! A value is read again before it is as old as `SECRETS_REFRESH`. That read runs in the background,
//! while calls use the previous value. A value that is older, as after a freeze of the sandbox, is
//! read again before its use. If Secrets Manager fails, the previous value stays in use until it is
//! as old as [`OUTAGE_LIMIT`].

use std::{
    any::Any,
    fmt,
    marker::PhantomData,
    sync::{Arc, Mutex as StdMutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use aws_smithy_async::time::{SharedTimeSource, SystemTimeSource, TimeSource};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Mutex;

use crate::{secrets_manager::SecretsManager, unfinished::begin_read};
use settings::{Environment, SECRETS_REFRESH, Setting, SettingError};

/// The age at which a value can no longer be used while Secrets Manager fails. A key that was
/// revoked at the beginning of an outage is accepted for so long.
pub const OUTAGE_LIMIT: Duration = Duration::from_secs(3600);

/// The pause after a failed read.
const FAILURE_PAUSE: Duration = Duration::from_secs(30);

/// The pause while no read has succeeded yet, so that every call fails.
const INITIAL_PAUSE: Duration = Duration::from_secs(1);

/// The minimum pause before a read that a rejected credential causes. A new credential is accepted
/// soon, and invented ones cannot cause a read each.
const REJECTION_PAUSE: Duration = Duration::from_secs(10);

/// The error while there is no value that may be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SecretUnavailable(String);

/// A secret as a value of type `T`. Clones share one cache.
///
/// The credentials come from the environment, where Lambda puts those of the function's role.
pub struct Secret<T> {
    cache: Arc<Cache>,
    value: PhantomData<fn() -> T>,
}

type Value = Arc<dyn Any + Send + Sync>;
type Parse = dyn Fn(&str) -> Result<Value, SettingError> + Send + Sync;

/// The part of [`Secret`] without its type, so that it is compiled once.
struct Cache {
    setting: &'static Setting,
    manager: SecretsManager,
    parse: Box<Parse>,
    /// `SECRETS_REFRESH`.
    refresh: Duration,
    /// A wall clock: a monotonic clock may stop while Lambda freezes the sandbox.
    clock: SharedTimeSource,
    /// Held during a read.
    reading: Arc<Mutex<()>>,
    state: StdMutex<State>,
}

#[derive(Default)]
struct State {
    value: Option<Value>,
    text: Option<SecretString>,
    /// The beginning of the last read that succeeded.
    read_at: Option<SystemTime>,
    last_try: Option<Try>,
    /// The last failure, until a read succeeds.
    failure: Option<String>,
}

/// A read, successful or not.
#[derive(Clone, Copy)]
struct Try {
    started_at: SystemTime,
    ended_at: SystemTime,
}

impl<T> Clone for Secret<T> {
    fn clone(&self) -> Self {
        Self {
            cache: Arc::clone(&self.cache),
            value: PhantomData,
        }
    }
}

/// Omits the value.
impl<T> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Secret")
            .field(&self.cache.setting.name())
            .finish()
    }
}

impl<T: Send + Sync + 'static> Secret<T> {
    /// Creates the secret whose ARN is the value of `setting`, without reading it; `None` if
    /// `setting` is not set. `parse` converts its text.
    ///
    /// # Errors
    ///
    /// When the ARN or `SECRETS_REFRESH` is invalid, or when the credentials of AWS are missing.
    pub fn from_setting(
        setting: &'static Setting,
        environment: &Environment,
        parse: impl Fn(&str) -> Result<T, SettingError> + Send + Sync + 'static,
    ) -> Result<Option<Self>, SettingError> {
        Self::with_clock(setting, environment, SystemTimeSource::new(), parse)
    }

    fn with_clock(
        setting: &'static Setting,
        environment: &Environment,
        clock: impl TimeSource + 'static,
        parse: impl Fn(&str) -> Result<T, SettingError> + Send + Sync + 'static,
    ) -> Result<Option<Self>, SettingError> {
        let Some(arn) = environment.get(setting) else {
            return Ok(None);
        };
        let cache = Cache {
            setting,
            manager: SecretsManager::new(setting, arn, environment)?,
            parse: Box::new(move |text| Ok(Arc::new(parse(text)?))),
            refresh: environment.duration(&SECRETS_REFRESH)?,
            clock: SharedTimeSource::new(clock),
            reading: Arc::default(),
            state: StdMutex::default(),
        };
        Ok(Some(Self {
            cache: Arc::new(cache),
            value: PhantomData,
        }))
    }

    /// Returns the current value. Waits for a read only if there is no value, or if the value is too
    /// old.
    ///
    /// # Errors
    ///
    /// The reason, when no read has succeeded within [`OUTAGE_LIMIT`].
    pub async fn current(&self) -> Result<Arc<T>, SecretUnavailable> {
        self.cache.keep_fresh().await;
        self.cache.usable_value().map(downcast)
    }

    /// Returns a value that differs from `used`, which was rejected or has rejected a caller. Reads
    /// the secret for that, unless the last read is too recent; `None` if the value is the same.
    pub async fn replacement(&self, used: &Arc<T>) -> Option<Arc<T>> {
        let differs = |value: &Arc<T>| !Arc::ptr_eq(value, used);
        let known = self.cache.usable_value().map(downcast).ok();
        if let Some(value) = known.filter(differs) {
            return Some(value);
        }
        self.cache.read_unless_tried(|| REJECTION_PAUSE).await;
        let value = self.cache.usable_value().map(downcast).ok();
        value.filter(differs)
    }
}

fn downcast<T: Send + Sync + 'static>(value: Value) -> Arc<T> {
    value
        .downcast()
        .unwrap_or_else(|_| unreachable!("`parse` returns a T"))
}

impl Cache {
    async fn keep_fresh(self: &Arc<Self>) {
        let age = self.age();
        if age.is_some_and(|age| age < self.refresh.mul_f64(0.8)) {
            return;
        }
        if age.is_some_and(|age| age < self.refresh) {
            self.start_read();
        } else {
            self.read_unless_tried(|| self.failure_pause()).await;
        }
    }

    /// Begins a read in the background, unless one is running or the last one has just failed.
    fn start_read(self: &Arc<Self>) {
        let Ok(reading) = Arc::clone(&self.reading).try_lock_owned() else {
            return;
        };
        if self.was_tried(self.clock.now(), self.failure_pause()) {
            return;
        }
        let cache = Arc::clone(self);
        let unfinished = begin_read();
        tokio::spawn(async move {
            cache.read().await;
            drop((unfinished, reading));
        });
    }

    /// Reads the secret, unless the last read ended within `pause`. Concurrent callers wait for one
    /// read.
    async fn read_unless_tried(&self, pause: impl FnOnce() -> Duration) {
        let called_at = self.clock.now();
        let _reading = self.reading.lock().await;
        if !self.was_tried(called_at, pause()) {
            self.read().await;
        }
    }

    async fn read(&self) {
        let started_at = self.clock.now();
        let fetched = self.manager.fetch().await;
        let mut state = self.state();
        state.last_try = Some(Try {
            started_at,
            ended_at: self.clock.now(),
        });
        let reject = |why| self.setting.reject(self.manager.arn(), why);
        let result = match fetched {
            Ok(text) => self.accept(&mut state, text),
            Err(why) => Err(reject(format!("the secret cannot be read: {why}"))),
        };
        match result {
            Ok(()) => {
                state.read_at = Some(started_at);
                if state.failure.take().is_some() {
                    tracing::info!("{}: the secret is readable again", self.setting.name());
                }
            }
            Err(error) => {
                let error = error.to_string();
                // Each different failure is logged once.
                if state.failure.as_ref() != Some(&error) {
                    let limit = OUTAGE_LIMIT.as_secs() / 60;
                    if state.value.is_some() {
                        tracing::error!(
                            "{error}; the previous secret stays in use, at most {limit} minutes after its last read"
                        );
                    } else {
                        tracing::error!("{error}; calls that need the secret are refused");
                    }
                }
                state.failure = Some(error);
            }
        }
    }

    /// Replaces the value if the text is new. An invalid text changes nothing, because a wrong edit
    /// must not refuse every call.
    fn accept(&self, state: &mut State, text: SecretString) -> Result<(), SettingError> {
        let known = state.text.as_ref().map(ExposeSecret::expose_secret);
        if known == Some(text.expose_secret()) {
            return Ok(());
        }
        state.value = Some((self.parse)(text.expose_secret())?);
        state.text = Some(text);
        tracing::info!("{}: read the secret", self.setting.name());
        Ok(())
    }

    fn usable_value(&self) -> Result<Value, SecretUnavailable> {
        let state = self.state();
        let is_usable = self
            .age_of(state.read_at)
            .is_some_and(|age| age < OUTAGE_LIMIT.max(self.refresh));
        match &state.value {
            Some(value) if is_usable => Ok(Arc::clone(value)),
            Some(_) | None => {
                let unread = || format!("{}: the secret is not read yet", self.setting.name());
                Err(SecretUnavailable(
                    state.failure.clone().unwrap_or_else(unread),
                ))
            }
        }
    }

    fn age(&self) -> Option<Duration> {
        let read_at = self.state().read_at;
        self.age_of(read_at)
    }

    /// Returns the time since then. A time in the future means that the clock was set back, so the
    /// age is unknown and counts as too old.
    fn age_of(&self, time: Option<SystemTime>) -> Option<Duration> {
        self.clock.now().duration_since(time?).ok()
    }

    /// Returns whether a call does not need another read: one began after it, or one ended within
    /// `pause`. A read that was running at the time of the call does not count, because a freeze of
    /// the sandbox may have broken it.
    fn was_tried(&self, called_at: SystemTime, pause: Duration) -> bool {
        let last = self.state().last_try;
        last.is_some_and(|last| {
            // No age means that the clock was set back.
            self.age_of(Some(last.ended_at)).is_some_and(|age| {
                last.started_at >= called_at || last.ended_at < called_at && age < pause
            })
        })
    }

    /// Returns the pause after a failed read. After a successful one, the value is fresh for longer.
    fn failure_pause(&self) -> Duration {
        let state = self.state();
        if state.value.is_none() {
            INITIAL_PAUSE
        } else if state.failure.is_some() {
            FAILURE_PAUSE.min(self.refresh)
        } else {
            Duration::ZERO
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A poisoned lock still holds the value of an earlier read, which is valid.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
