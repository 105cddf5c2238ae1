// Session records. Their layout lies where control may read it, too.
#pragma once

#include "firmware/link/session_records.h"
