/*
 * Handles: slots with generations.
 *
 *   FREE ──handle_add──▶ OPEN ──handle_remove──▶ FREE, with the next generation
 *
 * A handle holds a tag, a generation, the incarnation of the service and an index, so a closed,
 * foreign or invented one resolves to nothing and never to another object. Its high bits are set on
 * purpose: a caller that truncates handles to 32 bits fails here as it may on Windows.
 *
 * A handle belongs to the client that it was given to. To another it means nothing.
 */
#include "double.h"

#define MAX_HANDLES 65536 /* as many as an index can tell; far more than a test opens at once */

typedef struct Slot {
    void *object;
    uint16_t generation;
    uint64_t client;
} Slot;

typedef struct Table {
    Slot *slots;
    size_t used; /* slots that were ever open */
} Table;

static Table tables[HANDLE_KINDS];

static uint64_t tag(HandleKind kind)
{
    return HANDLE_TAG | (uint64_t)kind;
}

static void *handle_of(HandleKind kind, size_t index)
{
    uint64_t value = tag(kind) << HANDLE_TAG_SHIFT |
                     (uint64_t)tables[kind].slots[index].generation << HANDLE_GENERATION_SHIFT |
                     (uint64_t)service_incarnation << HANDLE_INCARNATION_SHIFT | index;

    return (void *)(uintptr_t)value;
}

static Slot *find(HandleKind kind, const void *handle)
{
    Table *table = &tables[kind];
    size_t index = (uintptr_t)handle & UINT16_MAX;
    Slot *slot;

    if (index >= table->used || handle_of(kind, index) != handle)
        return NULL;
    slot = &table->slots[index];
    return slot->object && slot->client == caller_client() ? slot : NULL;
}

void *handle_add(HandleKind kind, void *object)
{
    Table *table = &tables[kind];
    size_t index = 0;

    if (!table->slots)
        table->slots = allocate(MAX_HANDLES * sizeof(Slot));
    while (index < table->used && table->slots[index].object)
        index++;
    if (index == MAX_HANDLES)
        abort();
    if (index == table->used)
        table->used++;
    table->slots[index].object = object;
    if (++table->slots[index].generation == 0)
        table->slots[index].generation = 1;
    table->slots[index].client = caller_client();
    if (kind != OPERATION_HANDLE)
        ((Opened *)object)->handle = handle_of(kind, index);
    return handle_of(kind, index);
}

void *handle_get(HandleKind kind, const void *handle)
{
    Slot *slot = find(kind, handle);

    return slot ? slot->object : NULL;
}

void *handle_remove(HandleKind kind, const void *handle)
{
    Slot *slot = find(kind, handle);
    void *object;

    if (!slot)
        return NULL;
    object = slot->object;
    slot->object = NULL;
    return object;
}

UINT64 handle_count(HandleKind kind)
{
    UINT64 client = caller_client(), count = 0;
    size_t index;

    for (index = 0; index < tables[kind].used; index++)
        count += tables[kind].slots[index].object &&
                 (!client || tables[kind].slots[index].client == client);
    return count;
}

void *handle_first(HandleKind kind)
{
    size_t index;

    for (index = 0; index < tables[kind].used; index++)
        if (tables[kind].slots[index].object &&
            tables[kind].slots[index].client == caller_client())
            return handle_of(kind, index);
    return NULL;
}

void handle_each(HandleKind kind, void (*visit)(void *object, void *argument), void *argument)
{
    size_t index;

    for (index = 0; index < tables[kind].used; index++)
        if (tables[kind].slots[index].object)
            visit(tables[kind].slots[index].object, argument);
}
