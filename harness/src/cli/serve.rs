//! `perjury serve`: the store as a page, for this machine alone.

use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, RawQuery, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use perjury_results::{RunFolder, Store, StoreError, report};
use perjury_runner::exit;

use super::args::ServeArgs;
use super::runs::open;
use super::{Outcome, Trouble};

struct Shown {
    store: Store,
    matrix: Option<PathBuf>,
}

/// What a request comes to: a page, or why there is none.
type Answer = Result<Response, Refusal>;

/// A status and a sentence.
struct Refusal(StatusCode, String);

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        Refusal(StatusCode::INTERNAL_SERVER_ERROR, error.to_string())
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let text = [(header::CONTENT_TYPE, "text/plain; charset=utf-8")];
        (self.0, text, format!("{}\n", self.1)).into_response()
    }
}

/// Serves until it is interrupted.
pub fn serve(args: &ServeArgs) -> Outcome {
    let store = Store::at(&args.store.dir);
    if let Some(matrix) = &args.matrix {
        // Better to say now that it cannot be read than on the page.
        read_matrix(matrix).map_err(|Refusal(_, problem)| Trouble::Usage(problem))?;
    }
    let shown = Arc::new(Shown {
        store,
        matrix: args.matrix.clone(),
    });
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, args.port));
        let listener = tokio::net::TcpListener::bind(address).await.map_err(|error| {
            Trouble::Usage(format!(
                "cannot listen at {address}: {error}; --port names another port, 0 any that is free"
            ))
        })?;
        let url = format!("http://{}/", listener.local_addr()?);
        {
            let mut out = std::io::stdout().lock();
            writeln!(out, "{url}")?;
            out.flush()?;
        }
        say!("serving {} until interrupted", args.store.dir.display());
        if args.open {
            open(url.as_ref())?;
        }
        axum::serve(listener, router(shown)).await?;
        Ok(exit::VALID)
    })
}

fn router(shown: Arc<Shown>) -> Router {
    Router::new()
        .route("/", get(index))
        .route("/compare", get(compare))
        .route("/matrix", get(matrix))
        .route("/runs/{id}/report.html", get(page))
        .route("/runs/{id}/run.zip", get(archive))
        .fallback(async || {
            Refusal(
                StatusCode::NOT_FOUND,
                "there is no such page; / lists the runs".to_owned(),
            )
        })
        .layer(middleware::from_fn(only_loopback))
        .with_state(shown)
}

/// Whoever asks has to know this server by a name of this machine: a page on the Web cannot have its own name lead
/// here. Nothing that is answered is kept, guessed at, or shown within another page.
async fn only_loopback(request: Request, next: Next) -> Response {
    let host = request
        .headers()
        .get(header::HOST)
        .and_then(|host| host.to_str().ok());
    let name = host.map(|host| host.rsplit_once(':').map_or(host, |(name, _)| name));
    if !matches!(name, Some("127.0.0.1" | "localhost")) {
        return Refusal(
            StatusCode::FORBIDDEN,
            "this is served to this machine alone".to_owned(),
        )
        .into_response();
    }
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}

fn html(page: impl Into<axum::body::Body>) -> Response {
    ([(header::CONTENT_TYPE, "text/html; charset=utf-8")], page.into()).into_response()
}

/// A run of the store by its whole id: unlike on the command line, nothing else names one here.
fn run(shown: &Shown, id: &str) -> Result<RunFolder, Refusal> {
    shown
        .store
        .folders()?
        .into_iter()
        .find(|folder| folder.time_and_id().is_some_and(|(_, known)| known == id))
        .ok_or_else(|| Refusal(StatusCode::NOT_FOUND, "there is no such run".to_owned()))
}

async fn index(State(shown): State<Arc<Shown>>) -> Answer {
    Ok(html(report::store::store(&shown.store, shown.matrix.is_some())?))
}

async fn page(State(shown): State<Arc<Shown>>, Path(id): Path<String>) -> Answer {
    let folder = run(&shown, &id)?;
    if !folder.report().is_file() {
        folder.write_reports(&folder.evidence()?)?;
    }
    let page = std::fs::read(folder.report()).map_err(|error| {
        Refusal(
            StatusCode::INTERNAL_SERVER_ERROR,
            format!("cannot read the report: {error}"),
        )
    })?;
    Ok(html(page))
}

async fn archive(State(shown): State<Arc<Shown>>, Path(id): Path<String>) -> Answer {
    let folder = run(&shown, &id)?;
    let mut zip = std::io::Cursor::new(Vec::new());
    folder.export(&mut zip)?;
    let name: String = folder
        .archive_name()
        .to_string_lossy()
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'))
        .collect();
    let disposition = format!("attachment; filename=\"{name}\"");
    let headers = [
        (header::CONTENT_TYPE, "application/zip".to_owned()),
        (header::CONTENT_DISPOSITION, disposition),
    ];
    Ok((headers, zip.into_inner()).into_response())
}

async fn compare(State(shown): State<Arc<Shown>>, RawQuery(query): RawQuery) -> Answer {
    let query = query.unwrap_or_default();
    let ids: Vec<&str> = query
        .split('&')
        .filter_map(|part| part.strip_prefix("run="))
        .collect();
    let [one, other] = ids[..] else {
        let problem = format!("two runs are compared, and {} are ticked", ids.len());
        return Err(Refusal(StatusCode::BAD_REQUEST, problem));
    };
    let evidence = |id| -> Result<_, Refusal> { Ok(run(&shown, id)?.evidence()?) };
    Ok(html(report::store::compare(&evidence(one)?, &evidence(other)?)?))
}

fn read_matrix(path: &std::path::Path) -> Result<String, Refusal> {
    let lines = std::fs::read_to_string(path).map_err(|error| {
        Refusal(
            StatusCode::NOT_FOUND,
            format!("{}: cannot read it: {error}", path.display()),
        )
    })?;
    Ok(report::store::matrix(&lines)?)
}

async fn matrix(State(shown): State<Arc<Shown>>) -> Answer {
    match &shown.matrix {
        Some(path) => Ok(html(read_matrix(path)?)),
        None => Err(Refusal(
            StatusCode::NOT_FOUND,
            "no matrix is shown: `perjury matrix --json > FILE`, then `perjury serve --matrix FILE`"
                .to_owned(),
        )),
    }
}
