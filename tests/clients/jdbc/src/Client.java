// Client URL USER PASSWORD TABLE: reads a table in the ways that pgjdbc has and prints what it saw, one fact a line.
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.ResultSetMetaData;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.Properties;

public class Client {
  public static void main(String[] a) throws Exception {
    final Properties p = new Properties();
    p.setProperty("user", a[1]);
    p.setProperty("password", a[2]);
    p.setProperty("prepareThreshold", "2");  // named statements and binary results soon
    try (Connection c = DriverManager.getConnection(a[0], p)) {
      System.out.println("product " + c.getMetaData().getDatabaseProductName());
      try (Statement s = c.createStatement(); ResultSet r = s.executeQuery("SELECT * FROM " + a[3] + " ORDER BY id")) {
        final ResultSetMetaData m = r.getMetaData();
        for (int i = 1; i <= m.getColumnCount(); ++i) {
          System.out.println("column " + m.getColumnName(i) + " " + m.getColumnTypeName(i));
        }
        while (r.next()) System.out.println("row " + r.getInt("id") + " " + r.getString("s"));
      }
      try (PreparedStatement s = c.prepareStatement("SELECT n, p, d, s, day, seen FROM " + a[3] + " WHERE id = ?")) {
        for (int i = 0; i < 6; ++i) {
          s.setInt(1, 1);
          try (ResultSet r = s.executeQuery()) {
            r.next();
            System.out.println("prepared " + r.getLong(1) + " " + r.getBigDecimal(2) + " " + r.getDouble(3) + " "
                + r.getString(4) + " " + r.getDate(5) + " " + r.getTimestamp(6));
          }
        }
      }
      c.setAutoCommit(false);
      try (Statement s = c.createStatement()) {
        s.setFetchSize(100);  // a portal, read piece by piece
        int rows = 0;
        try (ResultSet r = s.executeQuery("SELECT i FROM range(1050) t(i)")) {
          while (r.next()) ++rows;
        }
        System.out.println("fetched " + rows);
      }
      try (Statement s = c.createStatement()) {
        s.executeQuery("SELECT * FROM nowhere.nothing");
      } catch (SQLException e) {
        System.out.println("refused " + e.getSQLState());
      }
      c.rollback();
      try (Statement s = c.createStatement(); ResultSet r = s.executeQuery("SELECT 7")) {
        r.next();
        System.out.println("afterwards " + r.getInt(1));
      }
    }
  }
}
