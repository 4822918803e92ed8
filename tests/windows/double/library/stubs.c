/*
 * The exports, and the way of a call.
 *
 * A stub turns its parameters into 64 bits each. `forward` sends what they stand for, waits for the
 * answer, and puts into the caller's memory what comes with it.
 *
 * Without a service a call fails with RPC_S_SERVER_UNAVAILABLE. Handles live as long as the service
 * that gave them: one of a service that was lost only takes part in its close, and an operation of
 * one answers HCS_E_SERVICE_DISCONNECT, since whatever it tracked was cut short.
 */
#include "library.h"

#define UNAVAILABLE HRESULT_FROM_WIN32(RPC_S_SERVER_UNAVAILABLE)
#define DISCONNECTED ((HRESULT)0x8037011E)

static HRESULT failure_of(const char *kinds)
{
    return kinds[0] == KIND_OPERATION ? DISCONNECTED : UNAVAILABLE;
}

static bool of_another(const Session *session, const char *kinds, const uint64_t *values)
{
    bool other = false;
    int index;

    lock();
    for (index = 0; kinds[index]; index++)
        if (kinds[index] == KIND_HANDLE || kinds[index] == KIND_OPERATION) {
            const Session *its = session_of(values[index]);

            other |= its && its != session;
        }
    unlock();
    return other;
}

static void ask(Message *message, ExportNumber number, const char *kinds, const uint64_t *values)
{
    int index;

    message_begin(message);
    put_number(message, number);
    put_number(message, (uint64_t)(ULONG_PTR)TlsGetValue(library_delivery));
    for (index = 0; kinds[index]; index++)
        if (kinds[index] == KIND_TEXT)
            put_text(message, (const WCHAR *)(ULONG_PTR)values[index]);
        else
            put_number(message, values[index]); /* of memory to put into: whether there is any */
}

/* Put one part of an answer into the caller's memory, which may be none. */
static void receive_one(Message *answer, char kind, void *memory)
{
    HCS_PROCESS_INFORMATION information = {0};
    bool written = kind == KIND_OUT_HANDLE || kind == KIND_OUT_TEXT ? take_number(answer) : true;
    UINT64 counts[LIVE_COUNTS];
    WCHAR *text;
    int index;

    if (!memory || !written)
        return;
    if (kind == KIND_OUT_HANDLE) {
        *(HANDLE *)memory = (HANDLE)(ULONG_PTR)take_number(answer);
    } else if (kind == KIND_OUT_TEXT) {
        text = take_text(answer);
        *(PWSTR *)memory = give_text(text);
        release(text);
    } else if (kind == KIND_OUT_PROCESS) {
        information.ProcessId = (DWORD)take_number(answer);
        information.StdInput = (HANDLE)(ULONG_PTR)take_number(answer);
        information.StdOutput = (HANDLE)(ULONG_PTR)take_number(answer);
        information.StdError = (HANDLE)(ULONG_PTR)take_number(answer);
        *(HCS_PROCESS_INFORMATION *)memory = information;
    } else if (kind == KIND_OUT_COUNTS) {
        for (index = 0; index < LIVE_COUNTS; index++)
            counts[index] = take_number(answer);
        counts[3] = live_strings(); /* they are ours */
        memcpy(memory, counts, sizeof(counts));
    }
}

static void receive_all(Message *answer, const char *kinds, const uint64_t *values)
{
    int index;

    for (index = 0; kinds[index]; index++)
        if (values[index])
            receive_one(answer, kinds[index], (void *)(ULONG_PTR)values[index]);
}

/* Handles and strings that did not come are none; of all else there is nothing either. */
static void blank(const char *kinds, const uint64_t *values)
{
    Message nothing = {0};
    int index;

    for (index = 0; kinds[index]; index++)
        if (values[index] &&
            (kinds[index] == KIND_OUT_HANDLE || kinds[index] == KIND_OUT_TEXT))
            *(void **)(ULONG_PTR)values[index] = NULL;
        else if (values[index])
            receive_one(&nothing, kinds[index], (void *)(ULONG_PTR)values[index]);
}

/* Note what has to be told when the service is lost. */
static void note(Session *session, ExportNumber number, const char *kinds, const uint64_t *values,
                 uint64_t result)
{
    int index;

    if (number == CALL_HcsCreateOperation && result)
        callbacks_set(session, result, values[1], values[0]);
    if (number == CALL_HcsCreateOperation || (HRESULT)result != S_OK)
        return;
    if (number == CALL_HcsSetOperationCallback)
        callbacks_set(session, values[0], values[2], values[1]);
    else if (number == CALL_HcsSetOperationContext)
        callbacks_set_context(values[0], values[1]);
    else if (number == CALL_HcsSetComputeSystemCallback || number == CALL_HcsSetProcessCallback)
        callbacks_set(session, values[0], values[3], values[2]);
    for (index = 1; kinds[0] && kinds[index]; index++)
        if (kinds[index] == KIND_OPERATION)
            callbacks_started(session, values[index]);
}

static bool exchange(Session *session, Message *message)
{
    Connection *connection = session_take(session);

    if (!connection)
        return false;
    if (message_send(connection->pipe, message) && message_receive(connection, message)) {
        session_give(session, connection);
        return true;
    }
    connection_free(connection);
    session_lost(session);
    return false;
}

static uint64_t forward(ExportNumber number, const char *kinds, const uint64_t *values,
                        uint64_t failed)
{
    bool closes = number == CALL_HcsCloseOperation || number == CALL_HcsCloseComputeSystem ||
                  number == CALL_HcsCloseProcess;
    Session *session = session_get();
    Message message = {0};
    uint64_t result = failed;
    DWORD error;

    if (session && !of_another(session, kinds, values)) {
        ask(&message, number, kinds, values);
        if (exchange(session, &message)) {
            result = take_number(&message);
            error = (DWORD)take_number(&message);
            receive_all(&message, kinds, values);
            note(session, number, kinds, values, result);
            message_clear(&message);
            if (closes)
                callbacks_close(values[0]);
            if (error)
                SetLastError(error);
            return result;
        }
    }
    message_clear(&message);
    blank(kinds, values);
    if (closes)
        callbacks_close(values[0]);
    SetLastError(RPC_S_SERVER_UNAVAILABLE);
    return failed;
}

/* ---- stubs ---- */

#define ONE_PARAMETER(type, name, index) type name
#define ONE_VALUE(type, name, index) (uint64_t)(ULONG_PTR)name
#define PARAMETERS(...) JOIN(PARAMETERS, COUNT(__VA_ARGS__))(__VA_ARGS__)
#define PARAMETERS0() void
#define PARAMETERS1(...) EACH(ONE_PARAMETER, __VA_ARGS__)
#define PARAMETERS2 PARAMETERS1
#define PARAMETERS3 PARAMETERS1
#define PARAMETERS4 PARAMETERS1
#define PARAMETERS5 PARAMETERS1
#define PARAMETERS6 PARAMETERS1
#define VALUES(...) {EACH(ONE_VALUE, __VA_ARGS__) __VA_OPT__(, ) 0}

/* What an export answers that could not be asked for. */
#define FAILURE(result)                                                                            \
    _Generic((result)0,                                                                            \
        HRESULT: (uint64_t)failure_of(kinds),                                                      \
        HCS_OPERATION_TYPE: (uint64_t)HcsOperationTypeNone,                                        \
        UINT64: UINT64_MAX,                                                                        \
        default: (uint64_t)0)

#define STUB_EXPORT(result, name, ...)                                                             \
    result WINAPI name(PARAMETERS(__VA_ARGS__))                                                    \
    {                                                                                              \
        static const char kinds[] = KINDS(__VA_ARGS__);                                            \
        const uint64_t values[] = VALUES(__VA_ARGS__);                                             \
                                                                                                   \
        return (result)(ULONG_PTR)forward(CALL_##name, kinds, values, FAILURE(result));            \
    }

#define STUB_NOTHING(name, ...)                                                                    \
    void WINAPI name(PARAMETERS(__VA_ARGS__))                                                      \
    {                                                                                              \
        static const char kinds[] = KINDS(__VA_ARGS__);                                            \
        const uint64_t values[] = VALUES(__VA_ARGS__);                                             \
                                                                                                   \
        forward(CALL_##name, kinds, values, 0);                                                    \
    }

EXPORTS(STUB_EXPORT, STUB_NOTHING)
