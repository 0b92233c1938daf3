import Glibc
import SyncCore
import Testing

@testable import SyncSimulator

@Suite("The virtual kernel's files")
struct KernelFileTests {
    // MARK: Stamps

    @Test(arguments: [1, 4_000_000, 1_000_000_000, 2_000_000_000] as [Int64])
    func `stamps are multiples of the granularity`(_ granularity: Int64) throws {
        let fixture = KernelFixture(VirtualKernel.Options(granularity: granularity))
        fixture.wait(1_999_999_999)
        fixture.kernel.writeFile("/a", [1])
        let stamps = try #require(fixture.kernel.stamps("/a"))
        #expect(stamps.modified == fixture.now - fixture.now % granularity)
        #expect(stamps.changed == stamps.modified)
    }

    @Test func `a content moves both stamps, an attribute only ctime, a map none`() throws {
        let fixture = KernelFixture()
        let kernel = fixture.kernel
        kernel.writeFile("/a", [1, 2])
        let first = fixture.now
        func step(_ modified: Int64, _ changed: Int64, _ act: () -> Int32) {
            fixture.wait()
            #expect(act() == 0)
            #expect(kernel.stamps("/a")?.modified == modified)
            #expect(kernel.stamps("/a")?.changed == changed)
        }
        let second = 1_000_000_000 as Int64
        step(first, first + second) { kernel.setReadable(false, "/a") }
        step(first, first + 2 * second) { kernel.link("/a", as: "/b") }
        step(first, first + 3 * second) { kernel.rename("/b", to: "/c") }
        step(first, first + 4 * second) { kernel.unlink("/c") }
        step(7, first + 5 * second) { kernel.setModified("/a", to: 7) }
        step(7, first + 5 * second) {
            let map = kernel.mapWritable("/a").map
            map?.store([9], at: 0)
            return map?.unmap() ?? EINVAL
        }
        #expect(kernel.file("/a")?.cells == [9, 2])
        step(first + 7 * second, first + 7 * second) { kernel.appendFile("/a", [3]) }
    }

    // MARK: Content

    @Test func `a writer writes, appends and truncates`() throws {
        let kernel = KernelFixture().kernel
        let writer = try #require(kernel.openWriter("/a", truncates: true).writer)
        writer.write([1, 2], at: 3)
        #expect(kernel.file("/a")?.cells == [0, 0, 0, 1, 2])
        writer.truncate(to: 4)
        writer.append([9])
        #expect(kernel.file("/a")?.cells == [0, 0, 0, 1, 9])
        #expect(kernel.file("/a")?.writers == 1)
        #expect(writer.close() == 0)
        #expect(writer.close() == EBADF)
        #expect(kernel.file("/a")?.writers == 0)
        #expect(kernel.openWriter("/a", truncates: false, isExclusive: true).code == EEXIST)
        #expect(kernel.openWriter("/b", truncates: false, creates: false).code == ENOENT)
    }

    @Test func `in place keeps the inode and by rename takes another`() throws {
        let kernel = KernelFixture().kernel
        kernel.writeFile("/a", [1, 2, 3])
        let before = try #require(kernel.file("/a")?.instance)
        #expect(kernel.rewriteInPlace("/a", [4, 5]) == 0)
        #expect(kernel.file("/a")?.cells == [4, 5])
        #expect(kernel.file("/a")?.instance == before)
        #expect(kernel.replaceByRename("/a", [6]) == 0)
        #expect(kernel.file("/a")?.cells == [6])
        #expect(kernel.file("/a")?.instance != before)
        #expect(kernel.files(below: "/")?.map(\.path) == ["a"])
    }

    @Test func `an open file outlives its name and keeps its number`() throws {
        let kernel = KernelFixture().kernel
        let writer = try #require(kernel.openWriter("/a", truncates: true).writer)
        let number = kernel.identity("/a")?.inode
        kernel.unlink("/a")
        kernel.writeFile("/b", [])
        #expect(kernel.identity("/b")?.inode != number)
        writer.append([1])
        writer.close()
        kernel.writeFile("/c", [])
        #expect(kernel.identity("/c")?.inode == number)
    }

    @Test(arguments: [true, false]) func `numbers are reused only if asked for`(_ reuses: Bool) throws {
        let kernel = KernelFixture(VirtualKernel.Options(reusesInodesAtOnce: reuses)).kernel
        kernel.writeFile("/a", [1])
        let first = try #require(kernel.identity("/a")?.inode)
        let instance = try #require(kernel.file("/a")?.instance)
        kernel.unlink("/a")
        kernel.writeFile("/b", [2])
        #expect((kernel.identity("/b")?.inode == first) == reuses)
        #expect(kernel.file("/b")?.instance != instance)
    }

    // MARK: Names

    @Test func `links are followed on the way, and not below`() throws {
        let kernel = KernelFixture().kernel
        kernel.makeDirectory("/real/in")
        kernel.writeFile("/real/in/a", [1])
        kernel.makeLink(at: "/way", to: "real")
        kernel.makeLink(at: "/real/up", to: "../real/in")
        kernel.makeLink(at: "/loop", to: "/loop")
        #expect(kernel.file("/way/up/a")?.cells == [1])
        #expect(kernel.files(below: "/way")?.map(\.path) == ["in/a"])
        #expect(kernel.writeFile("/loop", []) == ELOOP)
        kernel.makeDirectory("/other")
        kernel.writeFile("/other/b", [2])
        #expect(kernel.redirectLink(at: "/way", to: "/other") == 0)
        #expect(kernel.files(below: "/way")?.map(\.path) == ["b"])
    }

    @Test func `what the observer hears follows content, names and writers`() throws {
        let kernel = KernelFixture().kernel
        let heard = Heard()
        kernel.observer = heard
        kernel.makeDirectory("/d")
        let writer = try #require(kernel.openWriter("/d/a", truncates: true).writer)
        writer.append([1, 2])
        writer.close()
        let a = writer.instance
        #expect(heard.take() == ["\(a) [] 1", "+\(a) /d/a", "\(a) [1, 2] 1", "\(a) writers 0"])
        kernel.link("/d/a", as: "/d/b")
        kernel.rename("/d", to: "/e")
        #expect(
            heard.take() == ["+\(a) /d/b", "-\(a) /d/a", "-\(a) /d/b", "+\(a) /e/a", "+\(a) /e/b"])
        kernel.writeFile("/c", [3])
        _ = heard.take()
        let c = try #require(kernel.file("/c")?.instance)
        kernel.rename("/c", to: "/e/a")
        #expect(heard.take() == ["-\(a) /e/a", "-\(c) /c", "+\(c) /e/a"])
        kernel.removeTree("/e")
        #expect(heard.take() == ["-\(c) /e/a", "-\(a) /e/b"])
    }

    // MARK: Mounts

    @Test func `a mount hides what is below it, and has its own inodes and number`() throws {
        let kernel = KernelFixture().kernel
        let heard = Heard()
        kernel.observer = heard
        let disk = kernel.makeDevice(number: 8)
        kernel.makeDirectory("/data")
        kernel.writeFile("/data/under", [1])
        _ = heard.take()
        #expect(kernel.mount(disk, at: "/data") == 0)
        #expect(kernel.files(below: "/data")?.isEmpty == true)
        kernel.writeFile("/data/over", [2])
        let over = try #require(kernel.file("/data/over")?.instance)
        #expect(kernel.identity("/data/over")?.device == 8)
        #expect(kernel.rename("/data/over", to: "/over") == EXDEV)
        #expect(kernel.removeDirectory("/data") == EBUSY)
        let writer = try #require(kernel.openWriter("/data/over", truncates: false).writer)
        #expect(kernel.unmount("/data") == EBUSY)
        writer.close()
        _ = heard.take()
        #expect(kernel.remount("/data", number: 9) == 0)
        #expect(kernel.identity("/data/over")?.device == 9)
        #expect(kernel.file("/data/over")?.instance == over)
        _ = heard.take()
        #expect(kernel.unmount("/data") == 0)
        #expect(kernel.files(below: "/data")?.map(\.path) == ["under"])
        #expect(heard.take().contains("-\(over) /data/over"))
        #expect(kernel.unmount("/data") == EINVAL)
    }
}

private final class Heard: KernelObserver {
    private var lines: [String] = []

    func take() -> [String] {
        defer { lines = [] }
        return lines
    }

    func contentChanged(of instance: UInt64, to cells: [UInt8], writers: Int) {
        lines.append("\(instance) \(cells) \(writers)")
    }

    func writersChanged(of instance: UInt64, to writers: Int) { lines.append("\(instance) writers \(writers)") }
    func nameAppeared(_ instance: UInt64, at path: String) { lines.append("+\(instance) \(path)") }
    func nameDisappeared(_ instance: UInt64, at path: String) { lines.append("-\(instance) \(path)") }
    func modificationTimeSet(of instance: UInt64) {}
    func linksChanged() { lines.append("links") }
}
