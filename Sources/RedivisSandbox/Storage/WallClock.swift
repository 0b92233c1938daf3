import Glibc
import Synchronization

/// Milliseconds since 1970 by the wall clock. Sessions live by it, so that a test under a faked clock can outlive them;
/// a test in this process sets it forward instead.
final class WallClock: Sendable {
    private let offset = Atomic<Int64>(0)

    func now() -> Int64 {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000 + offset.load(ordering: .relaxed)
    }

    func advance(milliseconds: Int64) {
        offset.wrappingAdd(milliseconds, ordering: .relaxed)
    }
}
