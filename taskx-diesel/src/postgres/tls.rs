//! TLS by the URL's `sslmode`, with rustls behind the feature `tls`.
//!
//! `disable` never, `prefer` where the server offers it (the default), `require` always, and
//! `verify-full` with a certificate that is checked against the host's name and the system's roots
//! (or those of `sslrootcert`). As with PostgreSQL's own clients, `prefer` and `require` check no
//! certificate: they keep listeners out, not impostors.

use percent_encoding::percent_decode_str;
use taskx_core::error::{Error, ErrorKind, Result};
use tokio::sync::mpsc;
use tokio_postgres::{Client, Config, Notification, config::SslMode};

use crate::postgres::session::{Life, connect};

/// What a URL says of TLS.
#[derive(Debug, Clone)]
pub(super) struct Tls {
    mode: Mode,
    #[cfg(feature = "tls")]
    roots: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Disable,
    Prefer,
    Require,
    VerifyFull,
}

impl Tls {
    /// Takes `sslmode` and `sslrootcert` out of a URL, since tokio-postgres knows only some of
    /// their values.
    pub(super) fn split(url: &str) -> Result<(String, Self)> {
        let (base, query) = url.split_once('?').unwrap_or((url, ""));
        let (mut mode, mut roots, mut rest) = (Mode::Prefer, None, Vec::new());
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            match pair.split_once('=') {
                Some(("sslmode", value)) => mode = Mode::parse(value)?,
                Some(("sslrootcert", value)) => roots = Some(unescape(value)),
                _ => rest.push(pair),
            }
        }
        // As PostgreSQL's own clients: named roots are there to be checked against.
        if roots.is_some() && mode == Mode::Require {
            mode = Mode::VerifyFull;
        }
        let url =
            if rest.is_empty() { base.to_owned() } else { format!("{base}?{}", rest.join("&")) };
        Ok((url, Self::new(mode, roots)?))
    }

    #[cfg(feature = "tls")]
    fn new(mode: Mode, roots: Option<String>) -> Result<Self> {
        Ok(Self { mode, roots })
    }

    #[cfg(not(feature = "tls"))]
    fn new(mode: Mode, roots: Option<String>) -> Result<Self> {
        if matches!(mode, Mode::Require | Mode::VerifyFull) || roots.is_some() {
            return Err(Error::new(
                ErrorKind::Config,
                "the PostgreSQL URL asks for TLS (`sslmode`), which this program was built \
                 without; turn on taskx's feature `tls`",
            ));
        }
        Ok(Self { mode })
    }

    /// Whether TLS may be used at all.
    pub(super) fn wanted(&self) -> bool {
        cfg!(feature = "tls") && self.mode != Mode::Disable
    }

    /// What tokio-postgres asks of the server.
    pub(super) fn ssl_mode(&self) -> SslMode {
        match self.mode {
            Mode::Disable => SslMode::Disable,
            Mode::Prefer => SslMode::Prefer,
            Mode::Require | Mode::VerifyFull => SslMode::Require,
        }
    }

    /// Connects as the mode says.
    pub(super) async fn connect(
        &self,
        config: &Config,
        heard: Option<mpsc::UnboundedSender<Notification>>,
    ) -> Result<(Client, Life)> {
        #[cfg(feature = "tls")]
        if self.wanted() {
            let roots = self.roots.clone();
            let maker = rustls_side::maker(self.mode == Mode::VerifyFull, roots.as_deref())?;
            return connect(config, maker, heard).await;
        }
        connect(config, tokio_postgres::NoTls, heard).await
    }
}

impl Mode {
    fn parse(text: &str) -> Result<Self> {
        match text {
            "disable" => Ok(Self::Disable),
            "allow" | "prefer" => Ok(Self::Prefer),
            "require" => Ok(Self::Require),
            "verify-full" => Ok(Self::VerifyFull),
            other => Err(Error::new(
                ErrorKind::Config,
                format!(
                    "`sslmode={other}` is not known; write disable, prefer, require or verify-full"
                ),
            )),
        }
    }
}

/// Undoes `%xx` in a value of a URL.
fn unescape(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

#[cfg(feature = "tls")]
mod rustls_side {
    use std::sync::Arc;

    use rustls::{
        ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
        client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature},
        pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject},
    };
    use taskx_core::error::{Error, ErrorKind, Result};
    use tokio_postgres_rustls::MakeRustlsConnect;

    /// How TLS is made, checking the certificate or not.
    pub(super) fn maker(verify: bool, roots: Option<&str>) -> Result<MakeRustlsConnect> {
        let provider = Arc::new(ring::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| {
                Error::new(ErrorKind::Config, "set up TLS for PostgreSQL").with_source(error)
            })?;
        let config = if verify {
            builder.with_root_certificates(store(roots)?)
        } else {
            builder.dangerous().with_custom_certificate_verifier(Arc::new(Unchecked(provider)))
        };
        Ok(MakeRustlsConnect::new(config.with_no_client_auth()))
    }

    /// The roots of a file; else the system's; else Mozilla's.
    fn store(path: Option<&str>) -> Result<RootCertStore> {
        let mut store = RootCertStore::empty();
        if let Some(path) = path {
            let broken = |error: rustls::pki_types::pem::Error| {
                Error::new(ErrorKind::Config, format!("read the certificates of `{path}`"))
                    .with_source(error)
            };
            for certificate in CertificateDer::pem_file_iter(path).map_err(broken)? {
                store.add(certificate.map_err(broken)?).map_err(|error| {
                    Error::new(ErrorKind::Config, format!("use a certificate of `{path}`"))
                        .with_source(error)
                })?;
            }
            return Ok(store);
        }
        store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if store.is_empty() {
            store.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        }
        Ok(store)
    }

    /// Takes any certificate, as `sslmode=require` asks; the signatures are still checked.
    #[derive(Debug)]
    struct Unchecked(Arc<CryptoProvider>);

    impl ServerCertVerifier for Unchecked {
        fn verify_server_cert(
            &self,
            _end_entity: &CertificateDer<'_>,
            _intermediates: &[CertificateDer<'_>],
            _server_name: &ServerName<'_>,
            _ocsp_response: &[u8],
            _now: UnixTime,
        ) -> Result<ServerCertVerified, rustls::Error> {
            Ok(ServerCertVerified::assertion())
        }

        fn verify_tls12_signature(
            &self,
            message: &[u8],
            cert: &CertificateDer<'_>,
            dss: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, rustls::Error> {
            let algorithms = &self.0.signature_verification_algorithms;
            verify_tls12_signature(message, cert, dss, algorithms)
        }

        fn verify_tls13_signature(
            &self,
            message: &[u8],
            cert: &CertificateDer<'_>,
            dss: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, rustls::Error> {
            let algorithms = &self.0.signature_verification_algorithms;
            verify_tls13_signature(message, cert, dss, algorithms)
        }

        fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
            self.0.signature_verification_algorithms.supported_schemes()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_tls_are_taken_out_of_the_url() {
        let (url, tls) =
            Tls::split("postgres://a:b@h/d?sslmode=disable&options=-c%20search_path%3Dx").unwrap();
        assert_eq!(url, "postgres://a:b@h/d?options=-c%20search_path%3Dx");
        assert_eq!(tls.mode, Mode::Disable);
        let (url, tls) = Tls::split("postgres://h/d").unwrap();
        assert_eq!((url.as_str(), tls.mode), ("postgres://h/d", Mode::Prefer));
        assert_eq!(unescape("/a%20b/%c3%a9%"), "/a b/é%");
    }

    #[test]
    fn a_mode_that_nobody_knows_is_refused_in_words() {
        let error = Tls::split("postgres://h/d?sslmode=verify-ca").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.to_string().contains("verify-full"), "{error}");
    }

    #[test]
    #[cfg(not(feature = "tls"))]
    fn tls_is_never_left_out_in_silence() {
        for url in ["postgres://h/d?sslmode=require", "postgres://h/d?sslmode=verify-full"] {
            assert_eq!(Tls::split(url).unwrap_err().kind(), ErrorKind::Config);
        }
    }
}
