/*
 * Handles: slots with generations.
 *
 *   FREE ──handle_add──▶ OPEN ──handle_remove──▶ FREE, with the next generation
 *
 * A handle holds a tag, a generation and an index, so a closed, foreign or invented one resolves to
 * nothing and never to another object. Its high bits are set on purpose: a caller that truncates
 * handles to 32 bits fails here as it may on Windows.
 */
#include "double.h"

#define INDEX_BITS 32
#define GENERATION_BITS 16
#define MAX_HANDLES 65536 /* far more than a test opens at once; arbitrary */

typedef struct Slot {
    void *object;
    uint16_t generation;
} Slot;

typedef struct Table {
    Slot *slots;
    size_t used; /* slots that were ever open */
    UINT64 open;
} Table;

static Table tables[HANDLE_KINDS];

static uint64_t tag(HandleKind kind)
{
    return 0x8000u | (uint64_t)kind;
}

static Slot *find(HandleKind kind, const void *handle)
{
    uint64_t value = (uint64_t)(uintptr_t)handle;
    Table *table = &tables[kind];
    size_t index = value & UINT32_MAX;
    Slot *slot;

    if (value >> (INDEX_BITS + GENERATION_BITS) != tag(kind) || index >= table->used)
        return NULL;
    slot = &table->slots[index];
    return slot->object && slot->generation == ((value >> INDEX_BITS) & UINT16_MAX) ? slot : NULL;
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
    table->open++;
    return (void *)(uintptr_t)(tag(kind) << (INDEX_BITS + GENERATION_BITS) |
                               (uint64_t)table->slots[index].generation << INDEX_BITS | index);
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
    tables[kind].open--;
    return object;
}

UINT64 handle_count(HandleKind kind)
{
    return tables[kind].open;
}

void handle_each(HandleKind kind, void (*visit)(void *object, void *argument), void *argument)
{
    size_t index;

    for (index = 0; index < tables[kind].used; index++)
        if (tables[kind].slots[index].object)
            visit(tables[kind].slots[index].object, argument);
}
