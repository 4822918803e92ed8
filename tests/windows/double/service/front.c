/*
 * Calls of clients: decoded, made in this process, answered.
 *
 * A handle to a pipe or a string that an export gives out goes to the client: the pipe end is
 * duplicated into its process and closed here, the string is copied and freed.
 */
#include "double.h"

/* ---- the exports ---- */

#define ONE_ARGUMENT(type, name, index) (type)(ULONG_PTR)values[index]

#define CALL_EXPORT(result, name, ...)                                                             \
    static UINT64 call_##name(const UINT64 *values)                                                \
    {                                                                                              \
        (void)values;                                                                              \
        return (UINT64)(ULONG_PTR)name(EACH(ONE_ARGUMENT, __VA_ARGS__));                           \
    }

#define CALL_NOTHING(name, ...)                                                                    \
    static UINT64 call_##name(const UINT64 *values)                                                \
    {                                                                                              \
        (void)values;                                                                              \
        name(EACH(ONE_ARGUMENT, __VA_ARGS__));                                                     \
        return 0;                                                                                  \
    }

EXPORTS(CALL_EXPORT, CALL_NOTHING)

typedef struct Export {
    UINT64 (*call)(const UINT64 *values);
    char kinds[MAX_PARAMETERS + 1];
} Export;

#define ROW_EXPORT(result, name, ...) [CALL_##name] = {call_##name, KINDS(__VA_ARGS__)},
#define ROW_NOTHING(name, ...) [CALL_##name] = {call_##name, KINDS(__VA_ARGS__)},

static const Export exports[CALL_COUNT] = {EXPORTS(ROW_EXPORT, ROW_NOTHING)};

/* ---- what is given out ---- */

/* Memory for one parameter that an export puts something into. */
typedef union Room {
    void *handle;
    PWSTR text;
    HCS_PROCESS_INFORMATION information;
    UINT64 counts[LIVE_COUNTS];
} Room;

static char untouched; /* its address is in a room that nothing has been put into */

static void answer_room(Message *answer, Client *client, char kind, Room *room)
{
    int index;

    if (kind == KIND_OUT_HANDLE) {
        put_number(answer, room->handle != &untouched);
        put_number(answer, (ULONG_PTR)room->handle);
    } else if (kind == KIND_OUT_TEXT) {
        put_number(answer, room->text != (PWSTR)&untouched);
        if (room->text != (PWSTR)&untouched) {
            put_text(answer, room->text);
            release(room->text);
        }
    } else if (kind == KIND_OUT_PROCESS) {
        put_number(answer, room->information.ProcessId);
        put_number(answer, give_handle(client, room->information.StdInput));
        put_number(answer, give_handle(client, room->information.StdOutput));
        put_number(answer, give_handle(client, room->information.StdError));
    } else if (kind == KIND_OUT_COUNTS) {
        for (index = 0; index < LIVE_COUNTS; index++)
            put_number(answer, room->counts[index]);
    }
}

/* ---- calls ---- */

static bool is_out(char kind)
{
    return kind == KIND_OUT_HANDLE || kind == KIND_OUT_TEXT || kind == KIND_OUT_PROCESS ||
           kind == KIND_OUT_COUNTS;
}

static void answer_call(Message *message, const Export *export, Client *client)
{
    UINT64 values[MAX_PARAMETERS] = {0}, result;
    Room rooms[MAX_PARAMETERS] = {0};
    WCHAR *texts[MAX_PARAMETERS] = {0};
    DWORD error;
    int index;

    for (index = 0; export->kinds[index]; index++) {
        char kind = export->kinds[index];

        if (kind == KIND_TEXT) {
            texts[index] = take_text(message);
            values[index] = (ULONG_PTR)texts[index];
            continue;
        }
        values[index] = take_number(message);
        if (is_out(kind) && values[index]) {
            values[index] = (ULONG_PTR)&rooms[index];
            if (kind == KIND_OUT_HANDLE || kind == KIND_OUT_TEXT)
                rooms[index].handle = &untouched;
        }
    }
    SetLastError(0);
    result = export->call(values);
    error = GetLastError();
    message_begin(message);
    put_number(message, result);
    put_number(message, error);
    for (index = 0; export->kinds[index]; index++) {
        if (is_out(export->kinds[index]) && values[index])
            answer_room(message, client, export->kinds[index], &rooms[index]);
        release(texts[index]);
    }
}

void serve_calls(Connection *connection, Client *client)
{
    Message message = {0};

    while (message_receive(connection, &message)) {
        UINT64 number = take_number(&message), delivery = take_number(&message);
        Caller caller = {.client = client->id};

        if (number == ACKNOWLEDGE) {
            delivery_acknowledged(delivery, take_number(&message));
            continue;
        }
        if (number >= CALL_COUNT)
            break;
        if (delivery)
            caller.subject = delivery_subject(delivery);
        caller_set(&caller);
        answer_call(&message, &exports[number], client);
        caller_set(NULL);
        if (client->gone)
            client_close_handles(client); /* also what this call has opened */
        if (!message_send(connection->pipe, &message))
            break;
    }
    message_clear(&message);
}
