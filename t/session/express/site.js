// site.js - an Express site that counts each visitor's clicks. Nothing in it knows of Holdfast: the store is what npm gives.
//
// usage: node site.js PORT MEMCACHED_SERVER connect-memcached|connect-memjs PREFIX COOKIE_SECONDS

const express = require('express');
const session = require('express-session');

const [port, server, storeName, prefix, cookieSeconds] = process.argv.slice(2);

const stores = {
  // Without these four it waits 100 s for a server that refuses connections, and then gives it up for 30 s.
  'connect-memcached': () => new (require('connect-memcached')(session))({
    hosts: [server], prefix, retries: 1, minTimeout: 100, retry: 100, failures: 1000000,
  }),
  'connect-memjs': () => new (require('connect-memjs')(session))({ servers: [server], prefix }),
};

const app = express();
app.use(session({
  store: stores[storeName](),
  secret: 'keyboard cat',
  resave: false,
  saveUninitialized: false,
  cookie: { maxAge: Number(cookieSeconds) * 1000 },
}));

const greet = (request, response) => response.type('text/plain').send(
  request.session.name ? `${request.session.name} ${request.session.clicks}` : 'nobody');

// Says it once the session is stored.
const saveAndGreet = (request, response, next) => request.session.save((error) => (error ? next(error) : greet(request, response)));

const click = (request, response, next) => {
  if (!request.session.name) return greet(request, response);
  request.session.clicks += 1;
  return saveAndGreet(request, response, next);
};

app.post('/login', (request, response, next) => request.session.regenerate((error) => {
  if (error) return next(error);
  request.session.name = request.query.name;
  request.session.clicks = 0;
  saveAndGreet(request, response, next);
}));

app.get('/view', greet);

app.get('/click', click);

app.get('/slow', (request, response, next) => setTimeout(click, Number(request.query.ms), request, response, next));

app.get('/empty', (request, response, next) => {
  for (const name of ['name', 'clicks']) delete request.session[name];
  saveAndGreet(request, response, next);
});

app.post('/logout', (request, response, next) => request.session.destroy((error) => {
  if (error) return next(error);
  response.type('text/plain').send('bye');
}));

app.listen(Number(port), '127.0.0.1');
