import FolderWatch
import Glibc
import SyncCore
import Testing

@Suite struct FolderSignTests {
    /// One that no directory has: tests of other processes must not meet it.
    private static func unused() -> FolderIdentity {
        FolderIdentity(device: UInt64.max - UInt64(getpid()), inode: .random(in: 1 << 62 ... .max))
    }

    private static func sign(on folder: FolderIdentity) throws -> FolderSign {
        guard case .up(let sign) = FolderSign.put(on: folder) else { throw POSIXErrno.addressInUse }
        return sign
    }

    private enum POSIXErrno: Error { case addressInUse }

    @Test func oneHasTheSignAndTheOtherIsToldWhose() throws {
        let folder = Self.unused()
        #expect(FolderSign.owner(of: folder) == nil)
        let sign = try Self.sign(on: folder)
        #expect(FolderSign.owner(of: folder) == getpid())
        guard case .taken(let process) = FolderSign.put(on: folder) else {
            Issue.record("it was put up twice")
            return
        }
        #expect(process == getpid())
        #expect(sign.callers() == [getpid()])
        // Nobody since; and who only asked is none.
        _ = FolderSign.owner(of: folder)
        #expect(sign.callers().isEmpty)
        #expect(FolderSign.owner(of: FolderIdentity(device: folder.device, inode: folder.inode - 1)) == nil)
    }

    @Test func itIsTakenDownWithItsOwner() throws {
        let folder = Self.unused()
        do { _ = try Self.sign(on: folder) }
        #expect(FolderSign.owner(of: folder) == nil)
        let sign = try Self.sign(on: folder)
        withExtendedLifetime(sign) { #expect(FolderSign.owner(of: folder) == getpid()) }
    }

    @Test func moreCallersThanTheQueueHasRoomForAreNoTrouble() throws {
        let folder = Self.unused()
        let sign = try Self.sign(on: folder)
        for _ in 0..<500 {
            guard case .taken = FolderSign.put(on: folder) else {
                Issue.record("it was put up twice")
                return
            }
        }
        #expect(FolderSign.owner(of: folder) == 0 || FolderSign.owner(of: folder) == getpid())
        #expect(sign.callers() == [getpid()])
        #expect(FolderSign.owner(of: folder) == getpid())
    }
}
