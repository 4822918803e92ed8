/*
 * Operations.
 *
 *   state      HcsGetOperationResult     HcsWaitForOperationResult   next
 *   IDLE       OPERATION_NOT_STARTED     the same                    kickoff: IN_FLIGHT
 *   IN_FLIGHT  OPERATION_PENDING         blocks, OPERATION_TIMEOUT   completion: COMPLETE
 *   COMPLETE   its HRESULT and document  the same                    kickoff: IN_FLIGHT
 *
 * A kickoff that is refused leaves the operation IDLE, with the reason as its document. The work is
 * done and the callback made on threads of the pool, never inside the caller's call; a callback may
 * well come before that call has returned. Closing drops the result and stops nothing.
 */
#include "double.h"

#include <string.h>

typedef enum State {
    IDLE,
    IN_FLIGHT,
    COMPLETE
} State;

typedef struct Operation {
    int references; /* the handle, and each job under way */
    HCS_OPERATION handle;
    UINT64 id;
    State state;
    unsigned use; /* counts kickoffs: a job may only complete its own */
    bool stuck, closed, silent;
    HCS_OPERATION_TYPE type;
    HCS_SYSTEM system;
    HCS_PROCESS process;
    HRESULT result;
    Answer answer;
    const void *context;
    HCS_OPERATION_COMPLETION callback; /* in the client, as its context is */
    UINT64 client;
} Operation;

typedef struct Job {
    Operation *operation;
    unsigned use;
    Kickoff kickoff;
    HANDLE done; /* for a call that must not return before; else NULL */
} Job;

static UINT64 last_id;

static void answer_clear(Answer *answer)
{
    release(answer->document);
    if (answer->process)
        process_release(answer->process);
    memset(answer, 0, sizeof(*answer));
}

static void operation_release(Operation *operation)
{
    if (--operation->references)
        return;
    answer_clear(&operation->answer);
    release(operation);
}

/* Complete one use of an operation, unless somebody else has. Lock not held. */
static void complete(Operation *operation, unsigned use, Answer *answer, Failure *failure,
                     const Fault *fault)
{
    HCS_OPERATION_COMPLETION callback = NULL;
    HCS_OPERATION handle;
    void *context;

    lock();
    if (failure->code) {
        answer_clear(answer);
        answer->document = result_error(failure);
    }
    if (fault)
        fault_edit(fault, &answer->document);
    handle = operation->handle;
    context = (void *)operation->context;
    if (operation->state == IN_FLIGHT && operation->use == use) {
        operation->state = COMPLETE;
        operation->stuck = false;
        operation->result = failure->code;
        operation->answer = *answer;
        memset(answer, 0, sizeof(*answer));
        callback = operation->closed || operation->silent ? NULL : operation->callback;
        WakeAllConditionVariable(&double_changed);
    }
    answer_clear(answer);
    unlock();
    if (callback)
        tell_completion(operation->client, callback, handle, context);
}

static void fail_on_command(Failure *failure, const Fault *fault, HRESULT code)
{
    failure_clear(failure);
    failure->code = code;
    failure->message = copy_text(fault->message);
    failure->no_document = fault->no_document;
}

/* Whether an operation is never to complete; unless a reset has ended that already. */
static bool sticks(Job *job, Answer *answer)
{
    Kickoff *kickoff = &job->kickoff;
    bool stuck = false;

    if (!kickoff->fault.never && !kickoff->fault.lost)
        return false;
    lock();
    answer_clear(answer);
    if (fault_holds(&kickoff->fault))
        stuck = job->operation->stuck = true;
    else
        fail(&kickoff->failure, HR_SERVICE_DISCONNECT, "the service went away");
    unlock();
    return stuck;
}

static void CALLBACK run(PTP_CALLBACK_INSTANCE instance, void *argument)
{
    Job *job = argument;
    Kickoff *kickoff = &job->kickoff;
    const Fault *fault = &kickoff->fault;
    bool works = !fault->never && (!fault->complete || fault->after);
    Answer answer = {0};

    (void)instance;
    if (fault->delay_ms)
        fault_wait(fault->delay_ms);
    if (works && kickoff->work)
        kickoff->work(kickoff->argument, &answer, &kickoff->failure);
    if (fault->complete)
        fail_on_command(&kickoff->failure, fault, fault->complete);
    if (kickoff->discard)
        kickoff->discard(kickoff->argument);
    if (!sticks(job, &answer))
        complete(job->operation, job->use, &answer, &kickoff->failure, fault);
    failure_clear(&kickoff->failure);
    fault_clear(&kickoff->fault);
    lock();
    operation_release(job->operation);
    unlock();
    if (job->done)
        SetEvent(job->done); /* the job is freed by who waits */
    else
        release(job);
}

/* Put an operation back to where it was, with the reason why it did not start. Lock held. */
static HRESULT refuse(Operation *operation, Kickoff *kickoff)
{
    HRESULT code = kickoff->failure.code;

    operation->state = IDLE;
    operation->type = HcsOperationTypeNone;
    operation->answer.document = result_error(&kickoff->failure);
    fault_edit(&kickoff->fault, &operation->answer.document);
    failure_clear(&kickoff->failure);
    fault_clear(&kickoff->fault);
    return code;
}

bool kickoff_begin(Kickoff *kickoff, HRESULT *result)
{
    Operation *operation;

    kickoff->fault = fault_take(kickoff->function);
    if (kickoff->fault.block_ms)
        fault_wait(kickoff->fault.block_ms);
    if (kickoff->fault.disconnect)
        disconnect();
    lock();
    operation = handle_get(OPERATION_HANDLE, kickoff->operation);
    *result = !operation                      ? E_HANDLE
              : operation->state == IN_FLIGHT ? HR_OPERATION_ALREADY_STARTED
                                              : S_OK;
    if (*result == S_OK) {
        operation->state = IN_FLIGHT;
        operation->use++;
        operation->stuck = false;
        operation->silent = kickoff->fault.silent;
        operation->type = kickoff->type;
        operation->system = kickoff->system;
        operation->process = kickoff->process;
        operation->result = S_OK;
        answer_clear(&operation->answer);
        if (kickoff->fault.start) {
            fail_on_command(&kickoff->failure, &kickoff->fault, kickoff->fault.start);
            *result = refuse(operation, kickoff);
        }
    }
    unlock();
    if (*result != S_OK)
        fault_clear(&kickoff->fault);
    return *result == S_OK;
}

HRESULT kickoff_end(Kickoff *kickoff)
{
    Operation *operation;
    Job *job = NULL;
    HRESULT result = S_OK;
    HANDLE done = NULL;

    lock();
    operation = handle_get(OPERATION_HANDLE, kickoff->operation);
    if (!operation || kickoff->failure.code) {
        result = operation ? refuse(operation, kickoff) : E_HANDLE;
    } else {
        result = kickoff->fault.returns;
        operation->references++;
        operation->system = kickoff->system; /* those that are created are known only now */
        operation->process = kickoff->process;
        job = allocate(sizeof(*job));
        job->operation = operation;
        job->use = operation->use;
        job->kickoff = *kickoff;
        if (kickoff->fault.inline_completion)
            job->done = done = CreateEventW(NULL, TRUE, FALSE, NULL);
    }
    unlock();
    if (!job) {
        if (kickoff->discard)
            kickoff->discard(kickoff->argument);
        return result;
    }
    if (!TrySubmitThreadpoolCallback(run, job, NULL))
        abort();
    if (done) {
        WaitForSingleObject(done, INFINITE);
        CloseHandle(done);
        release(job);
    }
    return result;
}

typedef struct Found {
    Operation *items[256];
    size_t count;
    bool stuck_only;
    UINT64 client; /* 0: of any */
} Found;

static void find_in_flight(void *object, void *argument)
{
    Operation *operation = object;
    Found *found = argument;

    if (operation->state != IN_FLIGHT || (found->stuck_only && !operation->stuck) ||
        (found->client && operation->client != found->client) ||
        found->count == ARRAYSIZE(found->items))
        return;
    operation->references++;
    found->items[found->count++] = operation;
}

/* Complete what is in flight as the end of the service does. Lock not held. */
static void cut_short(Found *found)
{
    size_t index;

    lock();
    handle_each(OPERATION_HANDLE, find_in_flight, found);
    unlock();
    for (index = 0; index < found->count; index++) {
        Operation *operation = found->items[index];
        Answer answer = {0};
        Failure failure = {0};

        fail(&failure, HR_SERVICE_DISCONNECT, "the service went away");
        complete(operation, operation->use, &answer, &failure, NULL);
        failure_clear(&failure);
        lock();
        operation_release(operation);
        unlock();
    }
}

void operations_disconnect(bool stuck_only)
{
    Found found = {.stuck_only = stuck_only};

    cut_short(&found);
}

void operations_abandon(UINT64 client)
{
    Found found = {.client = client};

    cut_short(&found);
}

/* ---- exports ---- */

HCS_OPERATION WINAPI HcsCreateOperation(const void *context, HCS_OPERATION_COMPLETION callback)
{
    Fault fault = fault_take("HcsCreateOperation");
    Operation *operation = NULL;
    HCS_OPERATION handle = NULL;

    if (fault.start) {
        SetLastError(ERROR_NOT_ENOUGH_MEMORY);
    } else {
        operation = allocate(sizeof(*operation));
        operation->references = 1;
        operation->type = HcsOperationTypeNone;
        operation->context = context;
        operation->callback = callback;
        operation->client = caller_client();
        lock();
        operation->id = ++last_id;
        handle = operation->handle = handle_add(OPERATION_HANDLE, operation);
        unlock();
    }
    fault_clear(&fault);
    return handle;
}

void WINAPI HcsCloseOperation(HCS_OPERATION handle)
{
    Operation *operation;

    lock();
    operation = handle_remove(OPERATION_HANDLE, handle);
    if (operation) {
        operation->closed = true;
        operation_release(operation);
    }
    unlock();
}

void *WINAPI HcsGetOperationContext(HCS_OPERATION handle)
{
    Operation *operation;
    const void *context;

    lock();
    operation = handle_get(OPERATION_HANDLE, handle);
    context = operation ? operation->context : NULL;
    unlock();
    return (void *)context;
}

HRESULT WINAPI HcsSetOperationContext(HCS_OPERATION handle, const void *context)
{
    Operation *operation;

    lock();
    operation = handle_get(OPERATION_HANDLE, handle);
    if (operation)
        operation->context = context;
    unlock();
    return operation ? S_OK : E_HANDLE;
}

HRESULT WINAPI HcsSetOperationCallback(HCS_OPERATION handle, const void *context,
                                       HCS_OPERATION_COMPLETION callback)
{
    Operation *operation;
    HRESULT result;

    lock();
    operation = handle_get(OPERATION_HANDLE, handle);
    result = !operation ? E_HANDLE : operation->state == IDLE ? S_OK : HR_OPERATION_ALREADY_STARTED;
    if (result == S_OK) {
        operation->context = context;
        operation->callback = callback;
    }
    unlock();
    return result;
}

/* NULL while the operation tracks nothing. */
HCS_SYSTEM WINAPI HcsGetComputeSystemFromOperation(HCS_OPERATION handle)
{
    Operation *operation;
    HCS_SYSTEM system;

    lock();
    operation = handle_get(OPERATION_HANDLE, handle);
    system = operation && operation->state != IDLE ? operation->system : NULL;
    unlock();
    return system;
}

HCS_PROCESS WINAPI HcsGetProcessFromOperation(HCS_OPERATION handle)
{
    Operation *operation;
    HCS_PROCESS process;

    lock();
    operation = handle_get(OPERATION_HANDLE, handle);
    process = operation && operation->state != IDLE ? operation->process : NULL;
    unlock();
    return process;
}

HCS_OPERATION_TYPE WINAPI HcsGetOperationType(HCS_OPERATION handle)
{
    Operation *operation;
    HCS_OPERATION_TYPE type;

    lock();
    operation = handle_get(OPERATION_HANDLE, handle);
    type = operation ? operation->type : HcsOperationTypeNone;
    unlock();
    return type;
}

UINT64 WINAPI HcsGetOperationId(HCS_OPERATION handle)
{
    Operation *operation;
    UINT64 id;

    lock();
    operation = handle_get(OPERATION_HANDLE, handle);
    id = operation ? operation->id : (UINT64)-1;
    unlock();
    return id;
}

HRESULT WINAPI HcsCancelOperation(HCS_OPERATION handle)
{
    bool open;

    lock();
    open = handle_get(OPERATION_HANDLE, handle) != NULL;
    unlock();
    return open ? E_NOTIMPL : E_HANDLE;
}

static ULONGLONG deadline(DWORD timeout)
{
    return GetTickCount64() + timeout;
}

/* Wait for the end of a flight. Lock held. */
static bool landed(Operation *operation, DWORD timeout)
{
    ULONGLONG until = deadline(timeout), now;

    while (operation->state == IN_FLIGHT) {
        DWORD left = INFINITE;

        if (timeout != INFINITE) {
            now = GetTickCount64();
            if (now >= until)
                return false;
            left = (DWORD)(until - now);
        }
        SleepConditionVariableCS(&double_changed, &double_lock, left);
    }
    return true;
}

static HRESULT fetch(HCS_OPERATION handle, DWORD timeout, bool wait,
                     HCS_PROCESS_INFORMATION *information, bool informs, PWSTR *document)
{
    Operation *operation;
    HRESULT result;

    if (document)
        *document = NULL;
    if (information)
        memset(information, 0, sizeof(*information));
    lock();
    operation = handle_get(OPERATION_HANDLE, handle);
    if (!operation) {
        unlock();
        return E_HANDLE;
    }
    operation->references++;
    if (informs && operation->type != HcsOperationTypeCreateProcess &&
        operation->type != HcsOperationTypeGetProcessInfo) {
        result = E_INVALIDARG;
    } else if (wait && !landed(operation, timeout)) {
        result = HR_OPERATION_TIMEOUT;
    } else if (operation->state == IN_FLIGHT) {
        result = HR_OPERATION_PENDING;
    } else {
        result = operation->state == IDLE ? HR_OPERATION_NOT_STARTED : operation->result;
        if (information && result == S_OK && operation->answer.process)
            process_take_stdio(operation->answer.process, information);
        if (document)
            *document = give_text(operation->answer.document);
    }
    operation_release(operation);
    unlock();
    return result;
}

HRESULT WINAPI HcsGetOperationResult(HCS_OPERATION operation, PWSTR *document)
{
    return fetch(operation, 0, false, NULL, false, document);
}

HRESULT WINAPI HcsGetOperationResultAndProcessInfo(HCS_OPERATION operation,
                                                   HCS_PROCESS_INFORMATION *information,
                                                   PWSTR *document)
{
    return fetch(operation, 0, false, information, true, document);
}

HRESULT WINAPI HcsWaitForOperationResult(HCS_OPERATION operation, DWORD timeout, PWSTR *document)
{
    return fetch(operation, timeout, true, NULL, false, document);
}

HRESULT WINAPI HcsWaitForOperationResultAndProcessInfo(HCS_OPERATION operation, DWORD timeout,
                                                       HCS_PROCESS_INFORMATION *information,
                                                       PWSTR *document)
{
    return fetch(operation, timeout, true, information, true, document);
}
