/* pinned.h - the base class's reading methods, run while the buffer can not change.
 *
 * Some of bytearray's methods read where its bytes stand before they run foreign code, such as an
 * argument's __index__; in released versions they then read freed memory if that code changed the
 * bytearray. Run pinned, they cannot: for their time our mutators raise BufferError.
 *
 * What a reader would get wrong: calling the base's method directly, bytearray.find(b, ...), goes
 * around this. It is then as safe as with a bytearray, no more.
 */
#ifndef GROWABLE_PINNED_H
#define GROWABLE_PINNED_H

#include "buffer_object.h"

PyTypeObject *Pinned_make_type(PyObject *module);

/* Gives `type` a pinned descriptor for each method of bytearray that it does not define. */
int Pinned_wrap_methods(PyTypeObject *type, struct module_state *state);

#endif
