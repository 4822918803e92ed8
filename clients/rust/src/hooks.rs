//! What a program adds to the connections and calls of a client.

use std::{fmt, sync::Arc};

use tonic::{Request, Status, service::Interceptor, transport::Endpoint};

type EndpointHook = Arc<dyn Fn(Endpoint) -> Endpoint + Send + Sync>;
type InterceptorHook = Arc<dyn Fn(Request<()>) -> Result<Request<()>, Status> + Send + Sync>;

#[derive(Clone, Default)]
pub(crate) struct Hooks {
    pub(crate) endpoint: Option<EndpointHook>,
    pub(crate) interceptors: Vec<InterceptorHook>, // in the order of their calls
}

impl Hooks {
    pub(crate) fn endpoint(&self, endpoint: Endpoint) -> Endpoint {
        match &self.endpoint {
            Some(change) => change(endpoint),
            None => endpoint,
        }
    }
}

impl Interceptor for Hooks {
    fn call(&mut self, request: Request<()>) -> Result<Request<()>, Status> {
        self.interceptors.iter().try_fold(request, |request, interceptor| interceptor(request))
    }
}

impl fmt::Debug for Hooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hooks")
            .field("endpoint", &self.endpoint.is_some())
            .field("interceptors", &self.interceptors.len())
            .finish()
    }
}
