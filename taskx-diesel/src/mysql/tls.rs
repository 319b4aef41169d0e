//! TLS by the URL's `sslmode`, with mysql_async's rustls behind the feature `tls`.
//!
//! `disable` never, `prefer` where the server offers it (the default), `require` always, and
//! `verify-full` with a certificate that is checked against the host's name and Mozilla's roots (or
//! those of `sslrootcert`, a file). As with the servers' own clients, `prefer` and `require` check
//! no certificate: they keep listeners out, not impostors. mysql_async's own `require_ssl=true`
//! means what it says there: TLS with a checked certificate.

use mysql_async::OptsBuilder;
use taskx_core::error::Result;

use super::connect::refuse;

/// What a URL says of TLS.
#[derive(Debug, Clone)]
pub(super) struct Tls {
    mode: Mode,
    #[cfg(feature = "tls")]
    roots: Option<std::path::PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Disable,
    Prefer,
    Require,
    VerifyFull,
}

impl Tls {
    /// Takes `sslmode` and `sslrootcert` out of a URL: mysql_async does not know them.
    pub(super) fn split(url: &str) -> Result<(String, Self)> {
        let (base, query) = url.split_once('?').unwrap_or((url, ""));
        let (mut mode, mut roots, mut rest) = (Mode::Prefer, None, Vec::new());
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            match pair.split_once('=') {
                Some(("sslmode", value)) => mode = Mode::parse(value)?,
                Some(("sslrootcert", value)) => roots = Some(value),
                Some(("require_ssl", "true")) => {
                    mode = Mode::VerifyFull;
                    rest.push(pair);
                }
                _ => rest.push(pair),
            }
        }
        // As PostgreSQL's clients: named roots are there to be checked against.
        if roots.is_some() && mode == Mode::Require {
            mode = Mode::VerifyFull;
        }
        let url =
            if rest.is_empty() { base.to_owned() } else { format!("{base}?{}", rest.join("&")) };
        Ok((url, Self::new(mode, roots)?))
    }

    #[cfg(feature = "tls")]
    #[expect(clippy::unnecessary_wraps, reason = "without the feature it refuses")]
    fn new(mode: Mode, roots: Option<&str>) -> Result<Self> {
        Ok(Self { mode, roots: roots.map(Into::into) })
    }

    #[cfg(not(feature = "tls"))]
    fn new(mode: Mode, roots: Option<&str>) -> Result<Self> {
        if matches!(mode, Mode::Require | Mode::VerifyFull) || roots.is_some() {
            return Err(refuse(
                "the MySQL URL asks for TLS (`sslmode`), which this program was built without; \
                 turn on taskx's feature `tls`",
            ));
        }
        Ok(Self { mode })
    }

    /// Whether a server that offers no TLS is spoken to in plain text.
    pub(super) fn may_be_plain(&self) -> bool {
        matches!(self.mode, Mode::Disable | Mode::Prefer)
    }

    /// Sets the driver's TLS. `by_driver`: the URL had words of the driver's own, which stay.
    #[cfg(feature = "tls")]
    pub(super) fn apply(&self, opts: OptsBuilder, by_driver: bool) -> OptsBuilder {
        use mysql_async::SslOpts;

        if by_driver {
            provide();
            return opts;
        }
        let ssl = match self.mode {
            Mode::Disable => return opts.ssl_opts(None),
            Mode::Prefer | Mode::Require => {
                let unchecked = SslOpts::default().with_danger_accept_invalid_certs(true);
                unchecked.with_danger_skip_domain_validation(true)
            }
            Mode::VerifyFull => match &self.roots {
                Some(path) => SslOpts::default()
                    .with_disable_built_in_roots(true)
                    .with_root_certs(vec![path.clone().into()]),
                None => SslOpts::default(),
            },
        };
        provide();
        opts.ssl_opts(Some(ssl))
    }

    /// Sets the driver's TLS: none.
    #[cfg(not(feature = "tls"))]
    pub(super) fn apply(&self, opts: OptsBuilder, _by_driver: bool) -> OptsBuilder {
        opts
    }
}

/// The driver takes the process's cryptography. Where the application chose none, it is ring.
#[cfg(feature = "tls")]
fn provide() {
    use rustls::crypto::{CryptoProvider, ring};

    if CryptoProvider::get_default().is_none() {
        // Somebody was faster: then there is one.
        drop(ring::default_provider().install_default());
    }
}

impl Mode {
    fn parse(text: &str) -> Result<Self> {
        match text {
            "disable" => Ok(Self::Disable),
            "allow" | "prefer" => Ok(Self::Prefer),
            "require" => Ok(Self::Require),
            "verify-full" => Ok(Self::VerifyFull),
            other => Err(refuse(format!(
                "`sslmode={other}` is not known; write disable, prefer, require or verify-full"
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    use taskx_core::error::ErrorKind;

    use super::*;

    #[test]
    fn the_words_of_tls_are_taken_out_of_the_url() {
        let (url, tls) = Tls::split("mysql://a:b@h/d?sslmode=disable&tcp_nodelay=true").unwrap();
        assert_eq!((url.as_str(), tls.mode), ("mysql://a:b@h/d?tcp_nodelay=true", Mode::Disable));
        let (url, tls) = Tls::split("mysql://h/d").unwrap();
        assert_eq!((url.as_str(), tls.mode), ("mysql://h/d", Mode::Prefer));
        assert!(tls.may_be_plain());
    }

    #[test]
    fn a_mode_that_nobody_knows_is_refused_in_words() {
        let error = Tls::split("mysql://h/d?sslmode=verify-ca").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.to_string().contains("verify-full"), "{error}");
    }

    #[test]
    #[cfg(not(feature = "tls"))]
    fn tls_is_never_left_out_in_silence() {
        for words in
            ["sslmode=require", "sslmode=verify-full", "sslrootcert=/x", "require_ssl=true"]
        {
            let error = Tls::split(&format!("mysql://h/d?{words}")).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config, "{words}");
        }
    }

    #[test]
    #[cfg(feature = "tls")]
    fn what_asks_for_tls_is_never_plain() {
        for words in ["sslmode=require", "sslmode=verify-full", "require_ssl=true"] {
            let (_, tls) = Tls::split(&format!("mysql://h/d?{words}")).unwrap();
            assert!(!tls.may_be_plain(), "{words}");
        }
    }
}
