import Glibc
import SyncCore
import SyncTestSupport
import SystemPackage
import Testing

@testable import FolderWatch
@testable import SyncSimulator

/// The same acts in a real folder and in a virtual one: the same error numbers, the same events byte for byte (but for
/// cookies), the same tree.
@Suite("The virtual kernel against this machine's")
struct KernelDifferentialTests {
    /// REDIVIS_SYNC_WATCH_ROUNDS sets how many rounds of 150 acts; REDIVIS_SYNC_WATCH_SEED repeats one run.
    @Test func `random acts have the same outcome`() throws {
        let rounds = Self.environment("REDIVIS_SYNC_WATCH_ROUNDS") ?? 6
        var random = Self.environment("REDIVIS_SYNC_WATCH_SEED").map { SeededRandom(seed: $0) } ?? SeededRandom()
        let seed = random.seed
        for _ in 0..<rounds {
            let (virtual, real) = (VirtualFolder(), try RealFolder())
            for number in 0..<150 {
                let act = KernelAct.draw(&random)
                let (expected, found) = (real.act(act), virtual.act(act))
                try #require(found == expected, "\(act), number \(number) of seed \(seed)")
                try #require(virtual.files() == real.files(), "\(act), number \(number) of seed \(seed)")
            }
        }
    }

    private static func environment(_ name: String) -> UInt64? {
        getenv(name).flatMap { UInt64(String(cString: $0)) }
    }
}
